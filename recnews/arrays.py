"""NumPy's own files, read by one thread at a time.

NumPy parses their headers with `ast`, which in Python 3.11 now and then fails when two threads use it at once (CPython
issue 106905) - and a service opens a generation beside the thread that answers.
"""

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_one_at_a_time = threading.Lock()


def load(file: Path, mapped: bool = False) -> NDArray[Any]:
    """The array of an `.npy` file; `mapped` leaves it on the disk, shared by all who map it.

    Raises `OSError`, `ValueError` or `EOFError` when it cannot be read.
    """
    with _one_at_a_time:
        return np.asanyarray(np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False))


def load_all(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file, by name. Raises as `load`, `KeyError` and `zipfile.BadZipFile` besides."""
    # Opened here: NumPy leaves a file that it has opened open when it cannot read it.
    with _one_at_a_time, file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        return dict(arrays)
