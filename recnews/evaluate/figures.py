"""Figures as people read them, and as programs do."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from recnews.metrics import Figure


def shown(figure: Figure, between: str = "-") -> str:
    """A figure for people: `.581 .566-.596`, or a dash where there is none."""
    if np.isnan(figure.value):
        return "-"
    if np.isnan(figure.low):
        return short(figure.value)
    return f"{short(figure.value)} {short(figure.low)}{between}{short(figure.high)}"


def short(value: float) -> str:
    """A number for people, with three places: `.581`."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def plain(figures: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    """Figures as JSON values; what is not defined is null."""
    return {
        name: {part: None if np.isnan(value) else value for part, value in asdict(figure).items()}
        for name, figure in figures.items()
    }
