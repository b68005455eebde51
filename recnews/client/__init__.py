"""Asking a recnews service from Python: `Client`, and `AsyncClient` with the same methods. Needs the extra `client`."""

from recnews.client.calls import Feed, RowReport, Wanted
from recnews.client.clients import AsyncClient, Client
from recnews.client.sending import ServiceError

__all__ = ["AsyncClient", "Client", "Feed", "RowReport", "ServiceError", "Wanted"]
