"""A picture of an evaluation: each method's figures with their intervals."""

from pathlib import Path

import numpy as np

from recnews.errors import MissingExtraError, StorageError, UsageError
from recnews.evaluate.runs import Run

SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(file: Path) -> None:
    """Tell what would keep `plot` from working before anything takes time. Raises `UsageError`, `MissingExtraError`."""
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{file}: a picture ends in {', '.join(SUFFIXES)}")
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("matplotlib", "evaluate", "a plot") from error


def plot(run: Run, file: Path) -> None:
    """Write a picture: a row for each view or task, a panel for its first and its last measure that has an interval, a
    bar for each method.

    Raises `UsageError`, `MissingExtraError`, `StorageError`.
    """
    check_plot(file)
    from matplotlib.figure import Figure

    parts = run.parts()
    size = (11, 1.2 + 2.6 * len(parts))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(parts), 2, squeeze=False)
    for row, (view, found) in enumerate(parts.items()):
        known = {method: it for method, it in found.items() if it}
        names = [name for name, it in next(iter(known.values()), {}).items() if np.isfinite(it.low)] or [""]
        for column, name in enumerate((names[0], _last(names))):
            methods = [method for method, it in known.items() if name in it][::-1]
            figures = [known[method][name] for method in methods]
            values = np.array([it.value for it in figures])
            reach = np.array([[it.value - it.low, it.high - it.value] for it in figures]).reshape(-1, 2).T
            colors = ["#1f6f8b" if method.startswith("recnews") else "#b8b8b8" for method in methods]
            panel = axes[row][column]
            panel.barh(methods, values, xerr=np.maximum(reach, 0), color=colors, ecolor="#444444", capsize=2)
            panel.set_title(f"{view}: {name}", fontsize=10)
            panel.set_xlim(left=0)
            panel.tick_params(labelsize=8)
    figure.suptitle(run.about, fontsize=10, wrap=True)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "name a file you may write") from error


def _last(names: list[str]) -> str:
    """The last measure of accuracy; those beyond it stand after it."""
    from recnews.evaluate.outcome import BEYOND

    return [name for name in names if name not in (*BEYOND, "coverage")][-1]
