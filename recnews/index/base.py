"""What every vector index offers."""

from typing import Protocol

from recnews.records import Bools, Float32, Hits, Int64


class VectorIndex(Protocol):
    """Nearest neighbours by inner product over unit vectors, exact or nearly so.

    The same query gives the same scores to the bit, alone or in a batch, whatever else is indexed.
    """

    dim: int

    def upsert(self, ids: Int64, vectors: Float32) -> None:
        """Add or replace vectors (n, dim) float32. Raises `ValueError` for another shape, a repeated or negative id,
        or a value that is not finite."""
        ...

    def remove(self, ids: Int64) -> None:
        """Forget ids; unknown ones are ignored."""
        ...

    def search(self, queries: Float32, k: int, allowed: Int64 | None = None) -> list[Hits]:
        """The best `k` for each row of `queries` (q, dim), among `allowed` ids where given (unknown ones ignored)."""
        ...

    def vectors(self, ids: Int64) -> tuple[Float32, Bools]:
        """(n, dim) vectors of ids and (n,) which of them are indexed; rows of the others are zero."""
        ...

    def __len__(self) -> int: ...
