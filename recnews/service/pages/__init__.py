"""The newsroom in a browser: pages at `/` of `recnews serve`, rendered here, with little JavaScript."""

from recnews.service.pages import analysts, editors, front, intake, maps, operators, readers

PAGES = (front, readers, editors, intake, maps, analysts, operators)
"""The rooms of the pages, each with a `router`."""
