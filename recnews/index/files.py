"""Arrays and checksums on disk. Nothing that is read here can run code or abort the process."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recnews import arrays


def load_array(file: Path, dtype: DTypeLike, dimensions: int, *, mapped: bool = False) -> NDArray[Any]:
    """The array in a .npy file, its pages mapped on demand where `mapped`.

    Raises `OSError` or `ValueError`, naming the file, when it holds anything else or is cut short.
    """
    try:
        array = arrays.load(file, mapped)
    except (EOFError, ValueError, TypeError, SyntaxError) as error:
        raise ValueError(f"{file}: {error}") from error
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise ValueError(f"{file}: not a {dimensions}-dimensional array of {np.dtype(dtype)}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{file}: rows do not lie together")
    return np.asarray(array)


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
