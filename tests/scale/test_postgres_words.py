"""Words learned on the way, and what they put out of date, where the store is PostgreSQL."""

from pathlib import Path

import numpy as np
import pytest

from recnews.newsroom import Newsroom
from recnews.store import Store
from recnews.store.schema import STEPS
from tests.conftest import database, settings_at
from tests.scale.postgres import Postgres
from tests.scale.test_postgres_home import settings_file
from tests.test_unknown import COINED, coined
from tests.worlds import NOW, small_settings

pytestmark = pytest.mark.scale


def test_what_came_before_a_word_was_known_is_brought_up_to_date(
    home: Path, postgres: Postgres, tmp_path: Path
) -> None:
    """And every row is the same as in a file."""
    first, *others = coined("sailing", range(50, 54))
    with database(postgres, "template1") as elsewhere, Newsroom.open(home, small_settings()) as plain:
        there = settings_file(tmp_path / "there", elsewhere)
        plain.migrate(there)
        with Newsroom.open(there.parent, settings_at(elsewhere)) as room:
            room.ingest([first], now=NOW)
            article_id = room.article(first.key).article_id
            before = room.store.vectors.of("g000001", [article_id])[article_id].copy()
            assert room.ingest(others, now=NOW).indexed == 3
            after = room.store.vectors.of("g000001", [article_id])[article_id]
            assert not np.array_equal(before, after)
            assert room.store.vectors.outdated("g000001", 100).texts == ()
            assert len(room.neighbors(word=COINED, k=4, at=NOW).articles) == 4
            assert room.verify() == []
            for drafts in ([first], others):
                plain.ingest(drafts, now=NOW)
            assert room.store.sums() == plain.store.sums()


def test_a_store_of_the_second_version_is_brought_up_to_date(postgres: Postgres, tmp_path: Path) -> None:
    """The table of vectors that are out of date is made as in a new store."""
    described = (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = '{0}'"
        " UNION ALL SELECT indexname, indexdef, '' FROM pg_indexes WHERE tablename = '{0}' ORDER BY 1"
    ).format("outdated_vectors")
    with database(postgres, "template1") as elsewhere:
        name = elsewhere.rpartition("/")[2]
        Store(tmp_path, address=elsewhere).close()
        new = postgres.sql(described, database=name)
        assert len(new) == 4, "two columns and two indexes"
        postgres.sql("DROP TABLE outdated_vectors", "UPDATE schema_version SET version = 2", database=name)
        store = Store(tmp_path, address=elsewhere)
        try:
            assert postgres.sql(described, database=name) == new
            assert postgres.sql("SELECT version FROM schema_version", database=name) == [(len(STEPS),)]
            assert store.check() == []
        finally:
            store.close()
