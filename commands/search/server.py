"""A search box in the browser: a page of this machine, for whoever started it alone.

It listens on the loopback address. A token in its address, of which only the one who started it knows, keeps out other
users of the machine, and whatever other pages a browser has open; a name in the Host header that is not this machine's
is refused, as a page of another site sends one that has its name lead here (DNS rebinding).
"""

from __future__ import annotations

import re
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from egocurate.commands.search.page import Figure, figure_of, render, sections
from egocurate.commands.search.sheet import Answer
from egocurate.commands.search.stretch import ShownStretch, show_stretches
from egocurate.errors import InputError
from egocurate.shards.shard_format import VIDEO_NOT_ON_DISK
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.training.search import Hit

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")  # with any port: it may be forwarded by ssh
LONGEST = 300  # letters of a text
KEPT = 256  # stretches in memory, a tenth of a megabyte each
IDLE_SEC = 30.0


class Found(NamedTuple):
    """What a text was searched as, and its hits."""

    asked: str
    hits: list[Hit]


Find = Callable[[str], Found]
"""Searches for a text; called by one thread at a time."""


class Reply(NamedTuple):
    """What a request gets."""

    content: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK


class SearchServer(ThreadingHTTPServer):
    """Serves the page at `url`, and the stretches that it shows, until it is stopped."""

    daemon_threads = True

    def __init__(self, find: Find, about: str, port: int = 0) -> None:
        """Listen on a port, 0 for any that is free; raises InputError for one that cannot be had."""
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"--port {port}: {error}; leave it out for any port that is free") from error
        self._token = secrets.token_urlsafe(16)
        self.url = f"http://{LOOPBACK}:{self.server_port}/{self._token}/"
        self._pages = Pages(find, about)

    def reply(self, target: str, host: str) -> Reply:
        """Return what a GET of `target`, as the request has it, gets."""
        try:
            name, parts = urlsplit(f"//{host}").hostname, urlsplit(target)
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        except ValueError:
            return _plain(HTTPStatus.BAD_REQUEST, "this is no address")
        if name not in HOSTS:
            return _plain(HTTPStatus.MISDIRECTED_REQUEST, f"this machine is called {' or '.join(HOSTS)} here")
        before, _, page = parts.path.rpartition("/")
        if not secrets.compare_digest(before.encode(), f"/{self._token}".encode()):
            return _plain(HTTPStatus.NOT_FOUND, "open the address that `curate search --serve` has printed")
        return self._pages.reply(page, asked)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has gone away, and of anything else what Python says."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Pages:
    """The page, and the stretches of the hits that it has shown."""

    def __init__(self, find: Find, about: str) -> None:
        """Answer texts by `find`."""
        self._find, self._about = find, about
        self._hits: dict[str, Hit] = {}
        self._stretch = lru_cache(KEPT)(lambda hit: show_stretches([hit])[hit])
        self._one_at_a_time = threading.Lock()  # a strip and its video are asked for at once, and cut together

    def reply(self, name: str, asked: dict[str, str]) -> Reply:
        """Return the page with what was found, or the video or the strip of a hit."""
        with self._one_at_a_time:
            if not name:
                return self._page(" ".join(asked.get("q", "").split())[:LONGEST])
            hit = self._hits.get(asked.get("hit", ""))
            if hit is None or name not in ("video", "strip"):
                return _plain(HTTPStatus.NOT_FOUND, "there is no such stretch; search again")
            stretch: ShownStretch = self._stretch(hit)
        if stretch.missing:
            return _plain(HTTPStatus.NOT_FOUND, stretch.missing)
        return Reply(stretch.mp4, "video/mp4") if name == "video" else Reply(stretch.strip, "image/jpeg")

    def _page(self, query: str) -> Reply:
        found = self._find(query) if query else Found("", [])
        shown = sections([Answer(query, found.hits)], self._figure) if query else []
        facts = {"query": query, "asked": found.asked, "longest": LONGEST, "about": self._about, "media": "'self'"}
        return Reply(render("served.html.j2", shown, **facts).encode(), "text/html; charset=utf-8")

    def _figure(self, place: int, hit: Hit) -> Figure:
        key = value_fingerprint(asdict(hit))[:16]
        self._hits[key] = hit
        missing = "" if Path(hit.path).is_file() else VIDEO_NOT_ON_DISK
        return figure_of(place, hit, f"video?hit={key}", f"strip?hit={key}", missing)


class _Handler(BaseHTTPRequestHandler):
    """Hands requests to the server, and says nothing of them on the terminal."""

    server: SearchServer
    timeout = IDLE_SEC
    server_version, sys_version = "curate", ""

    def do_GET(self) -> None:
        reply = self.server.reply(self.path, self.headers.get("Host", ""))
        part = _part(self.headers.get("Range", ""), len(reply.content)) if reply.status == HTTPStatus.OK else None
        content = reply.content if part is None else reply.content[part.start : part.stop]
        self.send_response(reply.status if part is None else HTTPStatus.PARTIAL_CONTENT)
        if part is not None:
            self.send_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{len(reply.content)}")
        self.send_header("Accept-Ranges", "bytes")  # or a browser neither moves within a video nor repeats it
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        return


def _part(asked: str, size: int) -> range | None:
    """Return the bytes that a Range header asks for, if it is one of a beginning and perhaps an end; else None: all."""
    found = re.fullmatch(r"bytes=(\d{1,12})-(\d{0,12})", asked)
    if found is None or int(found[1]) >= size:
        return None
    part = range(int(found[1]), min(size, int(found[2]) + 1) if found[2] else size)
    return part or None


def _plain(status: HTTPStatus, line: str) -> Reply:
    return Reply(f"{line}\n".encode(), "text/plain; charset=utf-8", status)
