"""recnews: a content recommender for news and articles.

`Newsroom` is the whole public interface; `recnews.records` and `recnews.reports` hold what it returns, `recnews.errors`
what it raises.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recnews.newsroom import Newsroom

__all__ = ["Newsroom", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `Newsroom` when it is asked for: the command line answers `--help` without the store and the index."""
    if name == "Newsroom":
        from recnews.newsroom import Newsroom

        return Newsroom
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
