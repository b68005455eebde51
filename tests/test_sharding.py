"""The schema against what Citus documents of distributed tables. Nothing here runs on Citus."""

import re
from pathlib import Path

import pytest
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint, event

from recnews.store import ReaderIds, Store
from recnews.store.schema import metadata
from tests.worlds import NOW, articles, read

TABLES = list(metadata.tables.values())
SHARDED = [table for table in TABLES if table.info["shard_by"]]
PAGE = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")


def key(table: Table) -> str | None:
    found = table.info["shard_by"]
    return None if found is None else str(found)


def test_the_page_has_every_table_in_its_place() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (reference|`\w+`) \|", PAGE, re.MULTILINE))
    assert told == {table.name: f"`{key(table)}`" if key(table) else "reference" for table in TABLES}


@pytest.mark.parametrize("table", SHARDED, ids=str)
def test_what_is_unique_holds_the_key(table: Table) -> None:
    """Citus can only promise uniqueness within a shard."""
    kinds = (PrimaryKeyConstraint, UniqueConstraint)
    constraints = [list(it.columns.keys()) for it in table.constraints if isinstance(it, kinds)]
    indexes = [[column.name for column in it.columns] for it in table.indexes if it.unique]
    assert all(key(table) in columns for columns in (*constraints, *indexes))
    assert list(table.primary_key)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_references_can_be_followed_on_one_node(table: Table) -> None:
    """From a distributed table to a reference table, or to one distributed by the same key; never from a reference
    table to a distributed one."""
    for constraint in table.constraints:
        if not isinstance(constraint, ForeignKeyConstraint):
            continue
        other = constraint.referred_table
        if key(other) is None:
            continue
        assert key(table) is not None, "a reference table refers to a distributed one"
        pairs = {(one.parent.name, one.column.name) for one in constraint.elements}
        assert (key(table), key(other)) in pairs
        assert constraint.ondelete in {None, "CASCADE"}, "SET NULL would change the key"


def test_no_statement_changes_a_key(store: Store, address: str) -> None:
    """Not even when ids of readers that are stored are hashed."""
    store.articles.upsert(articles(["足球"], 3), NOW)
    store.events.add([read("ann", "足球-0"), read("bob", "足球-1")])
    other = Store(store.folder, ReaderIds(b"k" * 32), address=address)
    said: list[str] = []
    event.listen(other._database._engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    assert other.privacy.adopt()
    assert other.events.counts() == (2, 2, 0)
    assert len(other.events.of_user("ann", NOW, 5)) == 1
    other.close()
    assert any("INSERT INTO events" in statement for statement in said)
    for table in SHARDED:
        assert not [
            statement for statement in said if re.search(rf"UPDATE {table.name} SET [^W]*\b{key(table)}=", statement)
        ]
