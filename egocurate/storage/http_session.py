"""What is believed of an http server: nothing that costs memory, time or leads elsewhere.

Everything that fsspec asks over http goes through these sessions. A server is asked for plain bytes and refused if it
sends compressed ones, of which a megabyte may hold a gigabyte; it may send on to its own address only; its answer must
begin soon and come at a rate at which it ends some day; and no more of it is taken than was asked for.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import aiohttp
from fsspec.implementations.http import HTTPFileSystem
from yarl import URL

from egocurate.errors import StoreError
from egocurate.storage.store_errors import reason, too_long

REDIRECT_HOSTS = "EGOCURATE_REDIRECT_HOSTS"
"""environment variable: hosts, with commas between them, to which any server may send on"""
HEADERS_SEC = 30.0
"""within which an answer must begin"""
SLOW_SEC = 30.0
"""for so long a body may come at less than `SLOW_BYTES_PER_SEC`"""
SLOW_BYTES_PER_SEC = 1024
PAGE_BYTES = 64 * 1024 * 1024
"""most bytes of a page that lists a folder"""

_CHUNK_BYTES = 1024 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)

ReadSome = Callable[[int], Awaitable[bytes]]
Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


async def checked_session(**options: object) -> aiohttp.ClientSession:
    """Return a session that refuses what this module does not believe; raises StoreError from its requests."""
    return aiohttp.ClientSession(
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_name, _check),
        response_class=_Response,
        # aiohttp's own limit is five minutes for a whole answer, however it flows.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10),
        **options,
    )


async def get(fs: HTTPFileSystem, url: str, at_most: int, span: tuple[int, int] | None = None) -> bytes:
    """Return a file, or the bytes of `span` = (first, beyond the last) as far as there are some.

    A server that knows no ranges may send the whole file where the span begins with it and at_most has room for it.
    Raises FileNotFoundError, StoreError for an answer that is not believed, aiohttp.ClientError for one that failed.
    """
    session = await fs.set_session()
    headers = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
    async with session.get(fs.encode_url(url), headers=headers, middlewares=(_check,)) as response:
        if response.status in (404, 410):
            raise FileNotFoundError(url)
        if response.status == 416 and span:
            return b""
        response.raise_for_status()
        stated = response.content_length or 0
        if span and response.status == 206:
            at_most = min(at_most, span[1] - span[0])
            if stated <= at_most:
                _check_span(response, url, span)
        elif span and (span[0] or stated > at_most):
            raise StoreError(
                f"{url}: its server sends whole files, no ranges (python -m http.server is one): serve it by another, "
                "give a cache_dir with room for it, or copy the file here"
            )
        elif response.status == 206:
            raise StoreError(f"{url}: its server sends a part where the whole was asked for: copy the file here")
        if stated > at_most:
            raise too_long(url, stated, at_most)
        return await collect(response.content.read, at_most, url)


async def collect(read: ReadSome, at_most: int, url: str) -> bytes:
    """Return all that `read` gives piece by piece; raises StoreError if it is too much or comes too slowly."""
    body, since, before = bytearray(), time.monotonic(), 0
    while data := await read(_CHUNK_BYTES):
        body += data
        if len(body) > at_most:
            raise too_long(url, None, at_most)
        seconds, came = time.monotonic() - since, len(body) - before
        if seconds >= SLOW_SEC:
            if came < SLOW_BYTES_PER_SEC * seconds:
                raise StoreError(
                    f"{url}: {came:,} bytes came in {seconds:.3g} s, which would not end: check the network, or copy "
                    "the file here by other means"
                )
            since, before = time.monotonic(), len(body)
    return bytes(body)


async def _name(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Turn what fails into a StoreError where fsspec asks: it would take it for absent, or raise it as it is."""
    try:
        response = await handler(request)
        if response.status not in (404, 410) and request.method != "HEAD":  # what is refused to HEAD is asked by GET
            response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StoreError(f"{request.url}: {reason(request.url.scheme, error)}") from error
    return response


async def _check(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    deadline = asyncio.timeout(HEADERS_SEC)
    try:
        async with deadline:
            response = await handler(request)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise StoreError(f"{request.url}: no answer in {HEADERS_SEC:.3g} s: check the network") from None
    except aiohttp.ClientResponseError as error:  # what cannot be parsed; a status is no error yet
        what = error.message.partition("\n")[0][:100]
        raise StoreError(f"{request.url}: its server's answer is no HTTP ({what!r}): check the URL") from error
    problem = _problem(request.url, response)
    if problem:
        response.close()
        raise StoreError(f"{request.url}: {problem}")
    return response


def _problem(url: URL, response: aiohttp.ClientResponse) -> str:
    """Return what is wrong with where an answer leads and how it is packed; "" if nothing."""
    if response.status in _REDIRECTS and "Location" in response.headers:
        try:
            target = url.join(URL(response.headers["Location"]))
        except ValueError:
            return "its server sends on to what is no URL: copy the file here"
        where = f"{target.scheme}://{target.authority.rpartition('@')[2]}"
        if target.scheme not in ("http", "https") or not target.host:
            return f"its server sends on to {where}, which is no http: copy the file here"
        if not _may_lead_to(url, target):
            return (
                f"its server sends on to {where}, another place: give the URL there, or allow it by "
                f"{REDIRECT_HOSTS}={target.host}"
            )
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if response.status < 300 and encoding not in ("", "identity"):
        return f"its server sends it packed ({encoding[:20]!r}) though plain bytes were asked for: copy the file here"
    return ""


def _may_lead_to(url: URL, target: URL) -> bool:
    if target.host in [host.strip() for host in os.environ.get(REDIRECT_HOSTS, "").split(",")]:
        return True
    to_https = (url.scheme, target.scheme) == ("http", "https") and url.is_default_port() and target.is_default_port()
    same_port = url.scheme == target.scheme and url.port == target.port
    return url.host == target.host and (same_port or to_https)


def _check_span(response: aiohttp.ClientResponse, url: str, span: tuple[int, int]) -> None:
    """Raise StoreError unless the answer says that it begins where it was asked to, and ends no later."""
    stated = response.headers.get("Content-Range", "")
    first, _, last = stated.removeprefix("bytes ").partition("/")[0].partition("-")
    fits = first.isdecimal() and last.isdecimal() and int(first) == span[0] and span[0] <= int(last) < span[1]
    if not fits or response.content_length not in (None, int(last) - int(first) + 1):
        asked = f"bytes {span[0]}-{span[1] - 1}"
        raise StoreError(f"{url}: its server sends {stated[:60]!r} where {asked} were asked for: copy the file here")


class _Response(aiohttp.ClientResponse):
    """Of the pages and pieces that fsspec reads by itself no more is kept in memory than a page may have."""

    async def read(self) -> bytes:
        if self._body is None:
            try:
                self._body = await collect(self.content.read, PAGE_BYTES, str(self.url))
            except BaseException:
                self.close()
                raise
        return self._body
