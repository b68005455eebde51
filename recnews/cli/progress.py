"""Progress bars on standard error, for a person who waits; silence everywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def bytes_read(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of bytes read; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as bars:
        task = bars.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        yield show


@contextmanager
def stages() -> Iterator[Callable[[str, float], None] | None]:
    """A bar for each stage of a training; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as bars:
        tasks = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share)

        yield show


def _bars() -> "Progress":
    # Imported when a bar is shown: rich takes longer to load than most commands take to answer.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
