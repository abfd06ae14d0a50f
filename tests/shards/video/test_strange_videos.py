"""Files that are no videos, odd ones, and ones that would lead elsewhere: each fails alone, at once, in one line."""

import io
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import numpy as np
import pytest
from PIL import Image

from egocurate.curation.sources.videos_table import VideoFacts
from egocurate.shards.profiles import profile
from egocurate.shards.video.count_frames import count_frames
from egocurate.shards.video.cut import EncodedClip, Failure, cut_clips
from egocurate.shards.video.decode import DECODERS, decode_frames, load
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError

SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5006 RTP/AVP 96\n"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture
def asked():
    """The port of a server, and what it is asked for."""
    paths = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, paths
    server.shutdown()


def cut(path):
    return dict(cut_clips(path, [("a", 0.5, 1.5)], profile("train")))["a"]


@pytest.fixture(scope="module")
def good(make_video, tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("good") / "good.mp4").read_bytes()


def test_what_is_no_video_cannot_be_opened(good, asked, tmp_path):
    port, paths = asked
    (tmp_path / "other.mp4").write_bytes(good)
    files = {
        "an empty file": b"",
        "half of a video": good[: len(good) // 2],
        "an unknown codec": good.replace(b"avc1", b"zzz1"),
        "a session description": SESSION.encode(),
        "a playlist": PLAYLIST.format(port=port).encode(),
        "a list of files": b"ffconcat version 1.0\nfile other.mp4\n",
        "PostScript": POSTSCRIPT,
        "bytes": bytes(range(256)) * 50,
    }
    for name, content in files.items():
        path = tmp_path / "video.mp4"
        path.write_bytes(content)
        found = cut(path)
        assert isinstance(found, Failure) and found.reason == "cannot open", name
        facts = VideoFacts(path=str(path))
        facts.probe()
        assert facts.width == 0, name
    assert not paths


def test_tags_in_any_encoding_are_no_obstacle(good, tmp_path):
    path = tmp_path / "tag.mp4"
    with av.open(io.BytesIO(good)) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "a café"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9!"))  # as Latin-1 has it
    assert isinstance(cut(path), EncodedClip)
    facts = VideoFacts(path=str(path))
    facts.probe()
    assert (facts.video_dur, facts.width, facts.height) == (3, 96, 64)


@pytest.mark.parametrize("decoder", [name for name in DECODERS if load(name).frames is not None])
def test_a_stored_clip_leads_nowhere_else(decoder, good, asked):
    port, paths = asked
    for content in (SESSION.encode(), PLAYLIST.format(port=port).encode(), POSTSCRIPT, b"", b"x" * 500):
        with pytest.raises(DecodeError):
            decode_frames(content, np.array([0]), decoder)
        with pytest.raises(DecodeError):
            count_frames([content], "mp4")
    with pytest.raises(DecodeError):
        decode_frames(good.replace(b"avc1", b"zzz1"), np.array([0]), decoder)
    assert not paths


def test_a_picture_is_a_jpeg_or_webp_of_a_size_that_cameras_have():
    for content in (POSTSCRIPT, huge_png(), b"", b"\xff\xd8\xff"):
        with pytest.raises(DecodeError):
            decode_pictures([content])
    large = io.BytesIO()
    Image.new("L", (60_000, 1_000)).save(large, "JPEG")
    with pytest.raises(DecodeError, match="60000 x 1000 pixels"):
        decode_pictures([large.getvalue()])


def huge_png():
    """A picture of a few bytes that would take gigabytes."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"\0" * 99))
    body = b"".join(struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
