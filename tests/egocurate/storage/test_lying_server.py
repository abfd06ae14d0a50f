"""Whatever a server sends is the right bytes, or one line that names it: in bounded memory and time."""

import os
import time

import pytest
from s3fs import S3FileSystem

from egocurate.errors import InputError, StoreError
from egocurate.shards.manifest import read_manifest
from egocurate.shards.read.shard_cache import ShardCache, StoredShard
from egocurate.storage import fetch, http_session
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import _S3_OPTIONS, as_path, folder_exists, read_bytes
from egocurate.storage.remote_file import RemoteFile, open_file
from tests.lying_server import LIES, LyingServer, answer, honest, redirect, says
from tests.s3_server import ENVIRONMENT

CONTENT = os.urandom(5000)
MOST_SENT = 30_000_000  # beyond what is asked for: buffers of both sides, of each of the attempts

pytestmark = pytest.mark.usefixtures("nothing_said")


@pytest.fixture
def serve(monkeypatch):
    """Serve lies, with little patience."""
    monkeypatch.setattr(fetch, "PAUSE_SEC", 0.001)
    monkeypatch.setattr(http_session, "SLOW_SEC", 0.3)
    monkeypatch.setattr(http_session, "HEADERS_SEC", 0.5)
    monkeypatch.setattr(http_session, "PAGE_BYTES", 1_000_000)
    servers = []

    def start(lie):
        servers.append(LyingServer(lie))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def cached_shard(path, folder):
    return ShardCache(folder, 10**9).fetch(StoredShard(path, "0" * 64, 5000))


READERS = {
    "note": lambda path, folder: read_bytes(path, 20_000),
    "span": lambda path, folder: fetch.fetch_span(path, 100, 50),
    "video": lambda path, folder: RemoteFile(path).read(50),
    "digest": lambda path, folder: fingerprint(path),
    "table": lambda path, folder: open_file(path).read(),
    "shard": cached_shard,
    "folder": lambda path, folder: folder_exists(path) or path.is_file(),
}
# What is no lie to a reader: nothing may be all there is, and any page may be that of a folder.
TRUE_TO = {
    ("note", "no content"): b"", ("span", "416"): b"", ("shard", "no content"): False, ("shard", "416"): False,
    ("folder", "no content"): True, ("folder", "another range"): True, ("folder", "a range of another length"): True,
    ("folder", "no range"): True, ("folder", "many ranges"): True,
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("reader", READERS)
def test_a_lie_is_one_line_in_bounded_memory_and_time(serve, tmp_path, reader, lie, caplog):
    server, began = serve(LIES[lie]), time.monotonic()
    path = as_path(f"{server.url}/shards/a.bin")
    if (reader, lie) in TRUE_TO:
        assert READERS[reader](path, tmp_path / "cache") == TRUE_TO[reader, lie]
    else:
        with pytest.raises(StoreError) as error:
            READERS[reader](path, tmp_path / "cache")
        line = str(error.value)
        assert line.startswith(f"{path}: ") and line.isprintable() and len(line) < 500
        assert ("6 attempts" in line) == (len(server.requests) >= 6 and lie != "round and round")
    assert server.sent < MOST_SENT and time.monotonic() - began < 20
    assert len([line for line in caplog.messages if "asked again" in line]) <= 1
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize(("status", "said"), [
    (401, "the server refuses access (HTTP 401 Said); check the user, the password or the signature in the URL"),
    (403, "the server refuses access"),
    (400, "the server refuses the request (HTTP 400 Said); check the URL"),
])  # fmt: skip
def test_what_is_refused_is_asked_for_once_and_tells_no_secret(serve, status, said):
    server = serve(says(status))
    path = as_path(f"http://ann:pa55word@127.0.0.1:{server.port}/a.csv?X-Amz-Signature=pa55word")
    with pytest.raises(StoreError) as error:
        read_bytes(path)
    assert said in str(error.value) and "attempts" not in str(error.value) and "pa55word" not in str(error.value)
    (request,) = server.requests
    assert "signature=pa55word" in request.path.lower()  # the server gets what was given
    assert "authorization: basic" in request.head and "accept-encoding: identity" in request.head


def test_a_place_beyond_the_end_is_no_error_of_the_server(serve):
    assert fetch.fetch_span(as_path(serve(says(416)).url + "/a"), 10_000, 5) == b""


def moved(elsewhere):
    def lie(request, send):
        if request.path.endswith("old"):
            redirect(elsewhere + "/new")(request, send)
        else:
            honest(CONTENT)(request, send)

    return lie


def test_a_server_sends_on_to_itself_and_elsewhere_only_if_that_is_allowed(serve, monkeypatch):
    here, there = serve(moved("")), serve(honest(CONTENT))
    assert read_bytes(as_path(f"{here.url}/old")) == CONTENT
    assert fetch.fetch_span(as_path(f"{here.url}/old"), 100, 50) == CONTENT[100:150]
    elsewhere = f"http://localhost:{there.port}"
    for url in (elsewhere, there.url):  # another port is another place, too
        with pytest.raises(StoreError, match=r"another place.*EGOCURATE_REDIRECT_HOSTS"):
            read_bytes(as_path(f"{serve(moved(url)).url}/old"))
    assert not there.requests
    monkeypatch.setenv(http_session.REDIRECT_HOSTS, "cdn.example.org, localhost")
    secret = f"http://ann:pa55word@127.0.0.1:{serve(moved(elsewhere)).port}/old"
    assert read_bytes(as_path(secret)) == CONTENT
    assert there.requests and not any("authorization" in request.head for request in there.requests)


def test_a_slow_server_that_goes_on_is_waited_for(serve, monkeypatch):
    monkeypatch.setattr(http_session, "SLOW_BYTES_PER_SEC", 1000)

    def slow(request, send):
        send(answer(200, content_length=len(CONTENT)))
        for at in range(0, len(CONTENT), 250):
            send(CONTENT[at : at + 250])
            time.sleep(0.05)

    assert read_bytes(as_path(f"{serve(slow).url}/a")) == CONTENT


def test_a_manifest_that_does_not_end_is_one_line_of_the_command_line(serve, capsys, monkeypatch):
    from egocurate.commands.curate import main

    for lie in ("500", "a gzip bomb", "elsewhere", "no http"):
        with pytest.raises(SystemExit) as end:
            main(["verify", f"{serve(LIES[lie]).url}/shards"])
        out, err = capsys.readouterr()
        assert end.value.code == 3 and out == ""
        assert next(line for line in err.splitlines() if "asked again" not in line).startswith(
            "curate: http://127.0.0.1:"
        )
        assert len(err.splitlines()) <= 2


@pytest.mark.parametrize("kind", ["pipe", "device", "long"])
def test_what_is_no_plain_file_of_a_sane_size_is_not_read(tmp_path, kind):
    path = tmp_path / "manifest.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(10**12)
    with pytest.raises(InputError, match=r"no file but a pipe or a device|1,000,000,000,000 bytes long"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("lie", ["endless body", "endless chunks", "a drip", "403", "416", "500", "fewer than stated"])
def test_a_store_that_lies_is_bounded_too(serve, monkeypatch, lie):
    def lies_but_of_the_size(request, send):
        if request.method == "HEAD":
            send(answer(200, content_length=5000, etag='"a"'))
        else:
            LIES[lie](request, send)

    server = serve(lies_but_of_the_size)
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(_S3_OPTIONS["config_kwargs"]["retries"], "total_max_attempts", 1)
    S3FileSystem.clear_instance_cache()
    path, began = as_path("s3://bucket/a.bin"), time.monotonic()
    readers = [lambda: read_bytes(path, 20_000), lambda: fetch.fetch_span(path, 100, 50)]
    if lie == "416":  # a place beyond the end
        assert readers.pop()() == b""
    for read in readers:
        with pytest.raises(StoreError) as error:
            read()
        assert str(error.value).isprintable() and "bucket/a.bin" in str(error.value)
    assert server.sent < MOST_SENT and time.monotonic() - began < 30
