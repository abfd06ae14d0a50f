import gc
import io
import os
import weakref

import pytest

from egocurate.errors import StoreError
from egocurate.storage.paths import as_path
from egocurate.storage.remote_file import BLOCKS, RemoteFile
from tests.http_server import HttpServer

CONTENT = os.urandom(10_000)


@pytest.fixture
def serve(tmp_path):
    """Serve a.bin over http, with ranges or without."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    servers = []

    def start(ranges=True):
        servers.append(HttpServer(tmp_path, ranges))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_any_part_of_a_file_is_read_and_a_block_is_asked_for_once(serve):
    server = serve()
    file = RemoteFile(as_path(f"{server.url}/a.bin"), block_bytes=1000)
    asked = len(server.requests)
    with io.BufferedReader(file) as reader:
        for start, count in [(0, 10), (990, 20), (5, 3), (9_999, 5), (4_321, 2_500)]:
            reader.seek(start)
            assert reader.read(count) == CONTENT[start : start + count]
        assert reader.seek(-5, io.SEEK_END) == 9_995
        assert reader.read() == CONTENT[-5:]
    ranges = [place for _, place in server.requests[asked:]]
    assert len(ranges) == len(set(ranges)) == 6


def test_a_server_without_ranges_is_named_and_never_taken_for_another_part(serve):
    server = serve(ranges=False)
    path = as_path(f"{server.url}/a.bin")
    assert RemoteFile(path, block_bytes=20_000).read() == CONTENT  # all of it is one block
    with pytest.raises(StoreError, match=r"a\.bin: its server sends whole files, no ranges"):
        RemoteFile(path, block_bytes=1000).read(5)


def test_the_last_used_blocks_are_kept_and_go_with_the_file(serve):
    server = serve()
    file = RemoteFile(as_path(f"{server.url}/a.bin"), block_bytes=1000)
    for number in range(BLOCKS + 1):
        file.seek(1000 * number)
        file.read(1)
    asked = len(server.requests)
    file.seek(1000)
    file.read(1)
    assert len(server.requests) == asked
    file.seek(0)
    file.read(1)
    assert len(server.requests) == asked + 1
    gc.disable()
    try:
        gone = weakref.ref(file)
        del file
        assert gone() is None
    finally:
        gc.enable()


def test_two_readers_of_one_file_have_a_position_each():
    path = as_path("memory://remote_file/a.bin")
    path.fs.pipe_file(path.path, CONTENT)
    one, other = RemoteFile(path), RemoteFile(path)
    assert one.read(10) == other.read(10) == CONTENT[:10]
