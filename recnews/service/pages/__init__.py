"""The newsroom in a browser: pages at `/` of `recnews serve`, rendered here, with little JavaScript."""

from recnews.service.pages import front, readers

PAGES = (front, readers)
"""The rooms of the pages, each with a `router`."""
