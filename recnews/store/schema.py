"""The tables, and the numbered steps that build them.

Every table that grows carries the key by which Citus would distribute it (`shard_by`): articles and vectors by
`article_id`, events by `user_id`. Times are integers: microseconds since 1970-01-01 UTC.
"""

from collections.abc import Callable

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateIndex

from recnews.errors import SchemaError
from recnews.store.dialects import Real, Whole, Words

metadata = MetaData()


def _table(name: str, *parts: Column[object] | Index, rowid: bool = True, shard_by: str | None = None) -> Table:
    """`shard_by` names the column that Citus would distribute the rows by; without one the table is small, or all rows
    refer to it, and it would be a reference table, whole on every node."""
    return Table(name, metadata, *parts, info={"shard_by": shard_by}, sqlite_strict=True, sqlite_with_rowid=rowid)


def _of_article() -> Column[object]:
    """The key of what belongs to a stored article and goes with it."""
    cascade = ForeignKey("articles.article_id", ondelete="CASCADE")
    return Column("article_id", Whole, cascade, primary_key=True, autoincrement=False)


schema_version = _table("schema_version", Column("version", Integer, nullable=False))

# One row; its value is the sequence number of the last change. Taken inside the writing transaction.
change_counter = _table("change_counter", Column("value", Whole, nullable=False))

# Every key ever named, by an article or by an event for an article that has not come yet. `seq` is the number of the
# last change to what is served under this id, or 0. A row outlives its article, so followers learn of a deletion.
article_ids = _table(
    "article_ids",
    Column("id", Whole, primary_key=True, autoincrement=False),
    Column("key", Words, nullable=False, unique=True),
    Column("seq", Whole, nullable=False, server_default="0"),
    Index("article_ids_by_seq", "seq", "id"),
)

# `body` stands last: SQLite then reads the short columns without walking the pages of a long text.
articles = _table(
    "articles",
    Column("article_id", Whole, ForeignKey("article_ids.id"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("text_digest", LargeBinary, nullable=False),
    Column("published_at", Whole),
    Column("expires_at", Whole),
    Column("editor_expires_at", Whole),
    Column("ingested_at", Whole, nullable=False),
    Column("hidden", Integer, nullable=False, server_default="0"),
    Column("story_id", Whole),
    Column("bands", LargeBinary),
    Column("category", Words, nullable=False),
    Column("editor_category", Words),
    Column("lang", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("title", Words, nullable=False),
    Column("url", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("tags", Words, nullable=False),
    Column("summary", Words, nullable=False),
    Column("body", Words, nullable=False),
    Index("articles_by_story", "story_id"),
    shard_by="article_id",
)
# What pages ask: the latest articles, found by title without their rows being read, and what came in since a time.
articles_by_day = Index(
    "articles_by_day", func.coalesce(articles.c.published_at, articles.c.ingested_at), articles.c.article_id,
    articles.c.published_at, articles.c.ingested_at, articles.c.title,
).ddl_if(dialect="sqlite")  # fmt: skip
# PostgreSQL refuses rows of an index that are longer than a third of a page, as a title may be.
Index("articles_by_day", func.coalesce(articles.c.published_at, articles.c.ingested_at), articles.c.article_id).ddl_if(
    dialect="postgresql"
)
articles_by_intake = Index("articles_by_intake", articles.c.ingested_at, articles.c.source)
_ungrouped = articles.c.bands.is_(None)
Index("articles_ungrouped", articles.c.article_id, sqlite_where=_ungrouped, postgresql_where=_ungrouped)

# Which articles share a band of their MinHash; see recnews.near. An article's own bands are in its row.
story_bands = _table(
    "story_bands",
    Column("band", Whole, primary_key=True, autoincrement=False),
    Column("article_id", Whole, primary_key=True, autoincrement=False),
    rowid=False,
    shard_by="article_id",
)

# `seq` is the number of the transaction that stored the event, for followers of the reading log.
events = _table(
    "events",
    Column("user_id", Words, primary_key=True),
    Column("event_id", LargeBinary, primary_key=True),
    Column("article_id", Whole, ForeignKey("article_ids.id"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("weight", Real, nullable=False),
    Column("dwell", Real),
    Column("at", Whole),
    Column("seq", Whole, nullable=False),
    Index("events_by_user_time", "user_id", "at"),
    Index("events_by_time", "at", "article_id"),
    Index("events_by_seq", "seq"),
    rowid=False,
    shard_by="user_id",
)

events_by_article = Index("events_by_article", events.c.article_id, events.c.kind)

vectors = _table(
    "vectors",
    Column("generation", Words, primary_key=True),
    _of_article(),
    Column("text_digest", LargeBinary, nullable=False),
    Column("predicted_category", Words),
    Column("probability", Real),
    Column("vector", LargeBinary, nullable=False),
    Column("keywords", Words, nullable=False),
    Index("vectors_by_article", "article_id"),
    shard_by="article_id",
)

# Vectors that lack a word which the generation has come to know since they were made.
outdated_vectors = _table(
    "outdated_vectors",
    Column("generation", Words, primary_key=True),
    _of_article(),
    Index("outdated_vectors_by_article", "article_id"),
    rowid=False,
    shard_by="article_id",
)

# Up to which change each generation has encoded the articles: `seq` and `id` of the last one looked at.
indexed_through = _table(
    "indexed_through",
    Column("generation", Words, primary_key=True),
    Column("seq", Whole, nullable=False),
    Column("article_id", Whole, nullable=False),
)

# Behaviour vectors; `readers` is 0 for what text predicts. See recnews.behaviour.
behaviours = _table(
    "behaviours",
    Column("generation", Words, primary_key=True),
    _of_article(),
    Column("readers", Whole, nullable=False),
    Column("inner", LargeBinary, nullable=False),
    Column("outer", LargeBinary, nullable=False),
    Index("behaviours_by_article", "article_id"),
    shard_by="article_id",
)

# Up to which change each generation has counted the reading log, and how many events there were.
behaviour_through = _table(
    "behaviour_through",
    Column("generation", Words, primary_key=True),
    Column("seq", Whole, nullable=False),
    Column("events", Whole, nullable=False),
)

# Words that a generation has not learned, by the articles they stand in; see recnews.store.words.
new_words = _table(
    "new_words",
    Column("generation", Words, primary_key=True),
    Column("word", Words, primary_key=True),
    _of_article(),
    Column("occurrences", Integer, nullable=False),
    Index("new_words_by_article", "article_id"),
    rowid=False,
    shard_by="article_id",
)

# New words that have been met often enough, again at each stage; the rest is there once a vector has been induced.
induced_words = _table(
    "induced_words",
    Column("generation", Words, primary_key=True),
    Column("word", Words, primary_key=True),
    Column("stage", Integer, primary_key=True, autoincrement=False),
    Column("rank", Integer),
    Column("articles", Integer),
    Column("vector", LargeBinary),
    Index("induced_words_by_rank", "generation", "rank"),
)

# Articles that editors have put into a place of every feed, and between which times.
pins = _table(
    "pins",
    _of_article(),
    Column("slot", Integer, nullable=False),
    Column("starts_at", Whole),
    Column("until", Whole),
    Column("created_at", Whole, nullable=False),
    shard_by="article_id",
)

# What editors keep out of feeds ("block"), or out of what is chosen for one reader ("impersonal").
rules = _table(
    "rules",
    Column("kind", Words, primary_key=True),
    Column("field", Words, primary_key=True),
    Column("value", Words, primary_key=True),
    rowid=False,
)

# That readers were forgotten, not who: what was learned before should be learned again. `done`: their bytes are gone.
forgotten = _table(
    "forgotten",
    Column("seq", Whole, primary_key=True, autoincrement=False),
    Column("at", Whole, nullable=False),
    Column("events", Whole, nullable=False),
    Column("rejected", Whole, nullable=False),
    Column("done", Integer, nullable=False, server_default="0"),
)

# Whom, as keyed hashes, so that a restore of an older backup does not bring them back; `fingerprint` tells the key.
forgotten_readers = _table(
    "forgotten_readers",
    Column("reader", Words, primary_key=True),
    Column("at", Whole, primary_key=True, autoincrement=False),
    Column("fingerprint", LargeBinary, nullable=False),
    rowid=False,
)

# No row while ids of readers are kept as they come; else one, that tells with which key they are hashed. `clean`: no
# byte of a plain id is left.
reader_key = _table(
    "reader_key",
    Column("fingerprint", LargeBinary, nullable=False),
    Column("clean", Integer, nullable=False),
)

# What `recnews watch` knows of each feed and folder, as JSON. Here, so that no backup holds it without the articles
# that it says are taken in.
sources = _table(
    "sources",
    Column("name", Words, primary_key=True),
    Column("state", Words, nullable=False),
    rowid=False,
)

# The files of a watched folder, as they were when they were last seen; `digest` is there once one was taken in.
watched_files = _table(
    "watched_files",
    Column("source", Words, primary_key=True),
    Column("path", Words, primary_key=True),
    Column("mtime_ns", Whole, nullable=False),
    Column("size", Whole, nullable=False),
    Column("digest", LargeBinary),
    rowid=False,
)

# Generations, for nodes with disks of their own: copies of files that some node has, so no backup and no move to
# another store carries them. `files` is JSON; `current_generation` has one row at most, with what `CURRENT` says.
generation_pieces = _table(
    "generation_pieces",
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
shared_generations = _table(
    "shared_generations",
    Column("generation", Words, primary_key=True),
    Column("files", Words, nullable=False),
)
current_generation = _table("current_generation", Column("content", Words, nullable=False))
SHARED = (generation_pieces, shared_generations, current_generation)


def _step_1(connection: Connection) -> None:
    """Version 1: all tables."""
    metadata.create_all(connection)
    connection.execute(insert(change_counter).values(value=0))
    connection.execute(insert(schema_version).values(version=0))


def _step_2(connection: Connection) -> None:
    """Version 2: indexes for what pages look up."""
    for index in (articles_by_day, articles_by_intake, events_by_article):
        connection.execute(CreateIndex(index, if_not_exists=True))  # step 1 makes them in a new store


def _step_3(connection: Connection) -> None:
    """Version 3: which vectors are out of date."""
    outdated_vectors.create(connection, checkfirst=True)


def _step_4(connection: Connection) -> None:
    """Version 4: generations that nodes share."""
    for table in SHARED:
        table.create(connection, checkfirst=True)


def _step_5(connection: Connection) -> None:
    """Version 5: who was forgotten, as keyed hashes."""
    forgotten_readers.create(connection, checkfirst=True)


STEPS: tuple[Callable[[Connection], None], ...] = (_step_1, _step_2, _step_3, _step_4, _step_5)


def found_version(connection: Connection) -> int:
    """The version of the schema in a database, 0 for an empty one."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def migrate(connection: Connection, path: str) -> None:
    """Bring the schema up to date inside the caller's transaction; each step commits with its record or not at all.

    Raises `SchemaError` when the database is newer than this code.
    """
    found = found_version(connection)
    if found > len(STEPS):
        raise SchemaError(path, found, len(STEPS))
    for number, step in enumerate(STEPS[found:], start=found + 1):
        step(connection)
        connection.execute(update(schema_version).values(version=number))
