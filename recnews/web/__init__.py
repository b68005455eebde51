"""The one room that reaches out: fetching a document over HTTP, within limits."""

from recnews.web.addresses import check_address
from recnews.web.client import LATER, Answer, Client, Limits

__all__ = ["LATER", "Answer", "Client", "Limits", "check_address"]
