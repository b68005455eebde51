"""The editors' hand: on single articles, and on all feeds. What they do holds in the next feed."""

from collections.abc import Sequence
from datetime import datetime

from recnews.errors import UsageError
from recnews.newsroom.given import aware, writable
from recnews.records import ArticleEdit, Pin, Rules
from recnews.store import Store


class Editors:
    """What editors do. Articles are named by their keys; one that is not stored raises `UnknownArticleError`, and then
    nothing is changed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Articles

    def hide(self, keys: Sequence[str], hidden: bool = True) -> None:
        """Take articles out of every feed at once, or put them back."""
        self._store.articles.hide(keys, hidden)

    def expire(self, keys: Sequence[str], at: datetime | None = None) -> None:
        """Serve articles no longer than `at` (now by default)."""
        self._store.articles.expire(keys, aware(at))

    def categorize(self, keys: Sequence[str], category: str | None) -> None:
        """Put articles under a category by hand: it holds at once, in every feed, and goes over what their publisher or
        a prediction says, also when they are ingested again; None takes that back. The next training learns from it.

        Raises `UsageError` for a category without a name.
        """
        name = None if category is None else " ".join(category.split())
        if name == "":
            raise UsageError("a category needs a name; give None to take back what was set by hand")
        writable(*keys, name or "")
        self._store.articles.categorize(keys, name)

    def edit(self, key: str, change: ArticleEdit) -> None:
        """Do what `hide`, `expire` and `categorize` do to one article, all or nothing."""
        writable(key)
        self._store.articles.edit([key], change)

    # Pins

    def pin(
        self,
        key: str,
        slot: int = 1,
        *,
        starts_at: datetime | None = None,
        until: datetime | None = None,
        now: datetime | None = None,
    ) -> None:
        """Put an article into place `slot` (from 1) of every feed while `starts_at <= time < until`; None does not
        restrict. It replaces an earlier pin of the article; of two in one place the newer one comes first.

        Raises `UsageError` for a slot below 1 or a time that would never come.
        """
        writable(key)
        starts, ends = (moment and aware(moment) for moment in (starts_at, until))
        self._store.editorial.pin(key, slot, starts, ends, aware(now))

    def unpin(self, keys: Sequence[str]) -> int:
        """Take pins away; how many there were."""
        writable(*keys)
        return self._store.editorial.unpin(keys)

    def pins(self, at: datetime | None = None) -> list[Pin]:
        """Pins by slot, for one slot the newest first: those that hold at a time, or all there are."""
        return self._store.editorial.pins(at and aware(at))

    # Rules

    def block(self, *, categories: Sequence[str] = (), sources: Sequence[str] = ()) -> int:
        """Keep articles of these categories and sources out of every feed, from now on; how many rules are new.

        Raises `UsageError` for a name that is empty.
        """
        writable(*categories, *sources)
        add = self._store.editorial.add_rules
        return add("block", "category", categories) + add("block", "source", sources)

    def unblock(self, *, categories: Sequence[str] = (), sources: Sequence[str] = ()) -> int:
        """Take `block` back; how many rules there were."""
        writable(*categories, *sources)
        remove = self._store.editorial.remove_rules
        return remove("block", "category", categories) + remove("block", "source", sources)

    def impersonal(self, categories: Sequence[str]) -> int:
        """Never choose articles of these categories for a reader by what they have read: they come into feeds as fresh
        or popular only. How many rules are new. Raises `UsageError` for a name that is empty."""
        writable(*categories)
        return self._store.editorial.add_rules("impersonal", "category", categories)

    def personal(self, categories: Sequence[str]) -> int:
        """Take `impersonal` back; how many rules there were."""
        writable(*categories)
        return self._store.editorial.remove_rules("impersonal", "category", categories)

    def rules(self) -> Rules:
        """What is blocked, and what is impersonal."""
        return self._store.editorial.rules()
