"""Feeds and pages that the tests write themselves, and a real server on loopback that serves them well and badly."""

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

from recnews.formats import ReadOptions, read_articles
from recnews.records import Draft, Reject

MORNING = datetime(2026, 5, 1, 8, tzinfo=timezone(timedelta(hours=8)))
TEXT = "记者从市场监管总局获悉，今年以来全国新增企业数量稳步增长，市民对公共交通的满意度持续提高。"


def read(file: Path, data: str | bytes, options: ReadOptions | None = None) -> list[Draft | Reject]:
    """Write a file, and read it as articles."""
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_articles([file], options or ReadOptions()))


def draft(found: Draft | Reject) -> Draft:
    assert isinstance(found, Draft), found
    return found


def reject(found: Draft | Reject) -> Reject:
    assert isinstance(found, Reject), found
    return found


def item(number: int, *more: str, title: str = "", link: str = "", guid: str = "") -> str:
    """An item of RSS; `more` elements follow those every item has."""
    told = (
        f"<title>{title or f'港口新闻 {number}'}</title><link>{link or f'https://news.example/{number}.html'}</link>"
        f"<guid isPermaLink='false'>{guid or f'g{number}'}</guid>"
    )
    return f"<item>{told}{''.join(more)}</item>"


def rss(*items: str, head: str = "", declared: str = "utf-8", prolog: str = "") -> str:
    """An RSS feed, an item a line from line 3 on."""
    spaces = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    lines = "".join(f"{it}\n" for it in items)
    told = f"<title>晚报</title><link>https://news.example/</link><language>zh-cn</language>{head}"
    return (
        f'<?xml version="1.0" encoding="{declared}"?>{prolog}\n'
        f'<rss version="2.0" {spaces}><channel>{told}\n{lines}</channel></rss>\n'
    )


def encoded(markup: str) -> str:
    """The content of an item, as HTML."""
    return f"<content:encoded>{escape(markup)}</content:encoded>"


def page(body: str = "", head: str = "", lang: str = "zh-CN", charset: str = "utf-8") -> str:
    """A web page with an article among what else stands on pages."""
    text = body or f"<p>{TEXT}</p>" * 3
    return (
        f'<!DOCTYPE html><html lang="{lang}"><head><meta charset="{charset}"><title>港口新航线开通</title>{head}</head>'
        '<body><nav><a href="/">首页</a><a href="/sport">体育</a></nav>'
        f"<article><h1>港口新航线开通</h1>{text}</article><footer>版权所有</footer></body></html>"
    )


class Site:
    """What the server answers, by path, and what it was asked. An answer is a function of the handler."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server, self.port = server, server.server_address[1]
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str = "/feed", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        until = time.monotonic() + 20
        while len(self.asked) < count and time.monotonic() < until:
            time.sleep(0.005)

    def serve(self, path: str, data: str | bytes, status: int = 200, **headers: str) -> None:
        """Answer with a document. `_` in a header's name stands for `-`."""
        content = data.encode() if isinstance(data, str) else data

        def answer(handler: BaseHTTPRequestHandler) -> None:
            etag = headers.get("ETag")
            same = etag and handler.headers.get("If-None-Match") == etag
            handler.send_response(304 if same else status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(0 if same else len(content)))
            handler.end_headers()
            if not same:
                handler.wfile.write(content)

        self.answers[path] = answer

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.serve(path, "", status, Location=to)

    def raw(self, path: str, *parts: bytes, pause: float = 0.0, times: int = 1) -> None:
        """Answer with bytes as they are, then `parts[-1]` again and again."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.close_connection = True
            for part in (*parts[:-1], *(parts[-1:] * times)):
                handler.wfile.write(part)
                handler.wfile.flush()
                time.sleep(pause)

        self.answers[path] = answer


@contextmanager
def site() -> Iterator[Site]:
    """A server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.asked.append((self.path, dict(self.headers.items())))
            try:
                found.answers[self.path](self)
            except KeyError:
                self.send_error(404)
            except OSError:  # the other side has had enough
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    found = Site(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


BOMB = gzip.compress(b"\0" * 50_000_000)
