"""An http server whose answers are broken: what is read is what was written, or what was sent, or it is refused."""

import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from egocurate.shards.read.shard_cache import ShardCache, StoredShard
from egocurate.shards.read.shard_reader import ShardReader, Span
from egocurate.storage import fetch, http_session
from egocurate.storage.paths import as_path, read_bytes
from egocurate.storage.remote_file import open_file
from tests.fuzz.broken import broken_bytes
from tests.fuzz.harness import Target
from tests.lying_server import LIES, LyingServer, Request, Send, honest

CONTENT = bytes(Random("content").randbytes(300))
TOKENS = (
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: identity, br\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n", b"Content-Range: bytes 0-4/5\r\n",
    b"Location: http://localhost:1/x\r\n", b"Location: /shards\r\n", b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\n",
    b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 500 No\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 206 Part\r\n",
    b"\r\n\r\n", b"\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"Set-Cookie: a=b\r\n",
)  # fmt: skip
FINITE = sorted(set(LIES) - {"a drip", "a drip of headers"})


def broken_answer(rng: Random, whole: str) -> tuple[str, int]:
    """Return how the server answers: honestly but for some bytes of a seed, or now and then with a lie."""
    return (rng.choice(FINITE), 0) if rng.random() < 0.1 else (whole, rng.randrange(2**32))


def answering(how: tuple[str, int]) -> Callable[[Request, Send], None]:
    kind, seed = how
    if kind in LIES:
        return LIES[kind]

    def answer(request: Request, send: Send) -> None:
        parts: list[bytes] = []
        honest(CONTENT)(request, parts.append)
        rng, data = Random(seed), b"".join(parts)
        head = data.index(b"\r\n\r\n") + 4
        # Most of what can go wrong is in the few bytes of the head.
        cut = len(data) if kind == "all" else head
        send(broken_bytes(rng, data[:cut], TOKENS) + data[cut:])

    return answer


@pytest.fixture
def server(monkeypatch):
    """A server, and a client that does not wait before it asks again."""
    monkeypatch.setattr(fetch, "PAUSE_SEC", 0.0)
    monkeypatch.setattr(http_session, "PAGE_BYTES", 1_000_000)
    server = LyingServer(honest(CONTENT))
    yield server
    server.stop()


def was_sent(how: tuple[str, int], result: bytes) -> bool:
    """Tell whether a result is a piece of what the server has sent, and not made of it."""
    sent: list[bytes] = []
    if how[0] in LIES:
        return len(result) <= 20_000
    answering(how)(Request("GET", "/a", None, ""), sent.append)
    answering(how)(Request("GET", "/a", (0, len(CONTENT) - 1), ""), sent.append)
    return any(result in data for data in sent)


@pytest.mark.slow
def test_files_and_clips_of_a_server(server, tmp_path: Path, clean, caplog):
    path = as_path(f"{server.url}/shards/a.tar")
    shard = StoredShard(path, sha256(CONTENT).hexdigest(), len(CONTENT))
    span = Span(100, 50, zlib.crc32(CONTENT[100:150]))
    caches = iter(range(10**9))

    def with_answers(read: Callable[[], object]) -> Callable[[tuple[str, int]], object]:
        def run(how: tuple[str, int]) -> object:
            server.lie = answering(how)
            return read()

        return run

    def cached() -> bool:
        cache = ShardCache(tmp_path / f"cache{next(caches) % 50}", 10**6)
        if not cache.fetch(shard):
            return not list(cache.folder.iterdir())
        kept = cache.file(shard).read_bytes()
        cache.drop(shard)
        return kept == CONTENT and not list(cache.folder.iterdir())

    def member() -> bytes:
        return ShardReader([shard]).read(0, [span])[0]

    targets: list[tuple[str, Callable[[], object], Callable[[tuple[str, int], object], bool]]] = [
        ("notes of a server", lambda: read_bytes(path, 20_000), was_sent),
        ("files of a server", lambda: open_file(path).read(), was_sent),
        ("clips of a server", member, lambda how, result: result == CONTENT[100:150]),
        ("shards of a server", cached, lambda how, result: result is True),
    ]
    for name, read, right in targets:
        clean(Target(name, ("all", "head"), broken_answer, with_answers(read), right), 250)
