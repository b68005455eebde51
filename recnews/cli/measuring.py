"""What the evaluating commands share: times and zones as they are typed, and where figures go."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from recnews.cli import common, output
from recnews.errors import StorageError, UsageError

if TYPE_CHECKING:
    from recnews.config import Settings

Articles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Articles, in any format `ingest` takes. Repeatable. Else those of the home."),
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the articles.")]
Workers = Annotated[int | None, typer.Option(help="Training threads; 1 makes figures reproducible.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all that is random.")]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Zone of times without an offset, such as Asia/Shanghai.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints it, and no table."),
]


def moment(option: str, text: str | None, settings: "Settings") -> datetime | None:
    """A time that was typed, in UTC."""
    if text is None:
        return None
    from recnews.newsroom.given import zone_of

    found = common.as_time(option, text)
    place = zone_of(settings.ingest.timezone)
    if found.tzinfo is None and place is None:
        raise UsageError(f"{option}: {text!r} has no time zone; give --timezone Asia/Shanghai (or yours)")
    return (found if found.tzinfo else found.replace(tzinfo=place)).astimezone(UTC)


def baselines(text: str | None, known: tuple[str, ...], installed: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """The baselines that were typed; without any, all that are installed."""
    if text is None:
        return installed()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == ("all",):
        return known
    return () if names == ("none",) else names


class Outcome(Protocol):
    """Figures, as a program reads them."""

    def document(self) -> dict[str, Any]: ...


def answer(outcome: Outcome, lines: Iterable[str], file: Path | None) -> None:
    """Print figures as lines, and write them into the file of `--json` where one is named; print JSON alone for `-`.

    Raises `StorageError`.
    """
    if file == Path("-"):
        output.document(outcome.document())
        return
    output.say(*lines)
    if file is not None:
        _write(outcome.document(), file)


def keep(home: Path, outcome: Outcome) -> None:
    """Keep the figures in the home, where it holds articles."""
    from recnews.evaluate.runs import keep as kept_in

    if (file := kept_in(home, outcome.document(), datetime.now(UTC))) is not None:
        tell(f"kept as {file.stem}; `recnews report --html FILE` makes a page of it")


def _write(document: dict[str, Any], file: Path) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "name a file you may write") from error


def tell(line: str) -> None:
    """Say on standard error what is being done."""
    typer.echo(output.clean(line), err=True)
