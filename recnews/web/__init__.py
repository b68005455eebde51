"""The one room that reaches out: fetching a document over HTTP, within limits."""

from recnews.web.addresses import check_address
from recnews.web.client import Answer, Client, Limits

__all__ = ["Answer", "Client", "Limits", "check_address"]
