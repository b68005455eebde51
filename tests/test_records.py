"""The records that travel, and the errors that are told."""

import dataclasses
import inspect
import pickle
from pathlib import Path

import pytest

from recnews import errors, records
from recnews.records import Draft, Where

RECORDS = [value for value in vars(records).values() if inspect.isclass(value) and dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_records_are_frozen_slotted_and_explained(record: type) -> None:
    assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(record)
    assert record.__doc__
    assert not record.__doc__.startswith(f"{record.__name__}("), "dataclasses write a docstring where there is none"


def test_where_a_row_stood_is_no_part_of_what_it_says() -> None:
    one, two = Draft("a", "t", where=Where("f", 1)), Draft("a", "t", where=Where("f", 2))
    assert one == two
    assert hash(one) == hash(two)
    assert str(one.where) == "f:1"


def test_a_draft_survives_the_spool_of_an_aborting_run() -> None:
    draft = Draft("a", "t", tags=("x",), where=Where("f", 1))
    assert pickle.loads(pickle.dumps(draft)).where == draft.where  # noqa: S301


ERRORS = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.RecnewsError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_of_the_family_and_explained(error: type[errors.RecnewsError]) -> None:
    assert error.__doc__
    assert error.exit_code in (1, 2)
    assert (error.exit_code == 2) == issubclass(error, errors.UsageError)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.SettingsError("f.toml", "feed.k", "is odd"), "f.toml: setting 'feed.k': is odd"),
        (
            errors.MissingExtraError("pyarrow", "parquet", "reading Parquet"),
            "reading Parquet needs the package 'pyarrow': pip install 'recnews[parquet]'",
        ),
        (errors.RowError("f", 3, "id", "is missing", "add it"), "f:3: field 'id': is missing; add it"),
        (errors.RowError("f", 3, None, "is broken", "mend it"), "f:3: is broken; mend it"),
        (errors.StorageError(Path("/x"), "is full", "free some"), "/x: is full; free some"),
        (errors.UnknownGenerationError("g9", ("g1", "g2")), "no generation 'g9'; there is g1, g2"),
        (errors.UnknownGenerationError("g9", ()), "no generation 'g9'; there is none yet"),
        (
            errors.BusyError("it", "process 7"),
            "it is held by process 7; wait for it to end, then run the command again",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_messages(error: Exception, message: str) -> None:
    assert str(error) == message
