"""Watching feeds and folders: what is new or changed in them is taken in, as `recnews ingest` would.

Articles are stored before the state of their source is. Killed at any moment and run again, a source is at worst read
once more, which changes nothing.
"""

from recnews.watch.watcher import Watcher, is_address, seconds_of, watched

__all__ = ["Watcher", "is_address", "seconds_of", "watched"]
