"""A picture of an evaluation: each method's figures with their intervals."""

from pathlib import Path

import numpy as np

from recnews.errors import MissingExtraError, StorageError, UsageError
from recnews.evaluate.outcome import FeedsOutcome
from recnews.evaluate.summary import measures

SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(file: Path) -> None:
    """Tell what would keep `plot` from working before anything takes time. Raises `UsageError`, `MissingExtraError`."""
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {file}: a picture ends in {', '.join(SUFFIXES)}")
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("matplotlib", "evaluate", "a plot") from error


def plot(outcome: FeedsOutcome, file: Path) -> None:
    """Write a picture: a row for each view, a panel for the first and the last measure, a bar for each method.

    Raises `UsageError`, `MissingExtraError`, `StorageError`.
    """
    check_plot(file)
    from matplotlib.figure import Figure

    names = measures(outcome.k, outcome.whole)
    panels = (names[0], names[-1])
    size = (11, 1.2 + 2.6 * len(outcome.views))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(outcome.views), len(panels), squeeze=False)
    for row, view in enumerate(outcome.views):
        methods = list(outcome.figures[view])[::-1]
        for column, name in enumerate(panels):
            found = [outcome.figures[view][method][name] for method in methods]
            values = np.array([it.value for it in found])
            reach = np.array([[it.value - it.low, it.high - it.value] for it in found]).T
            colors = ["#1f6f8b" if method.startswith("recnews") else "#b8b8b8" for method in methods]
            panel = axes[row][column]
            panel.barh(methods, values, xerr=np.maximum(reach, 0), color=colors, ecolor="#444444", capsize=2)
            panel.set_title(f"{view}: {name}", fontsize=10)
            panel.set_xlim(left=0)
            panel.tick_params(labelsize=8)
    figure.suptitle(f"{outcome.protocol}: {outcome.about}", fontsize=10, wrap=True)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "name a file you may write") from error
