import io
import sys
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from egocurate.errors import InputError
from egocurate.shards.video import decode as module
from egocurate.shards.video.decode import DECODERS, decode_frames, first_loading, load
from egocurate.shards.video.decode_pyav import wanted_frames
from egocurate.shards.video.decoder_protocol import DecodeError

HERE = [name for name in DECODERS if load(name).frames is not None]
BT709, BT601, LIMITED, FULL = 1, 6, 1, 2


def encode(count, *, fps=8, gop=4, b_frames=0, size=(96, 64), color=None, options=None):
    rng = np.random.default_rng(count * 31 + gop)
    width, height = size
    picture = np.kron(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8), np.ones((6, 6, 1), dtype=np.uint8))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "24", "g": str(gop), "bf": str(b_frames)} | (options or {})
        if color:
            stream.codec_context.colorspace, stream.codec_context.color_range = color
        for i in range(count):
            part = np.ascontiguousarray(picture[i : i + height, 2 * i : 2 * i + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def all_frames(data):
    """Every frame in the order shown, decoded from the first to the last."""
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


CLIPS = {
    "train profile": {"count": 9, "gop": 4},
    "intra": {"count": 8, "gop": 1},
    "one frame": {"count": 1},
    "30 fps, B frames": {"count": 40, "fps": 30, "gop": 12, "b_frames": 3},
    "B pyramid, open groups": {
        "count": 40,
        "fps": 30,
        "gop": 10,
        "b_frames": 3,
        "options": {"x264-params": "open-gop=1"},
    },
    "portrait": {"count": 8, "size": (64, 98)},
    "bt709": {"count": 6, "color": (BT709, LIMITED)},
    "full range": {"count": 6, "color": (BT601, FULL)},
}


@pytest.mark.parametrize("decoder", HERE)
@pytest.mark.parametrize("clip", CLIPS)
def test_every_decoder_returns_the_very_frames(decoder, clip):
    data = encode(**CLIPS[clip])
    expected = all_frames(data)
    count = len(expected)
    assert count == CLIPS[clip]["count"]
    rng = np.random.default_rng(0)
    wanted = [np.arange(count), np.array([count - 1]), np.array([count - 1, 0, 0])]
    wanted += [np.sort(rng.integers(0, count, 4)) for _ in range(6)]
    for indices in wanted:
        got = decode_frames(data, indices, decoder)
        assert np.array_equal(got, expected[indices]), indices


def test_pyav_and_decord_are_among_them():
    assert {"pyav", "decord"} <= set(HERE)
    assert first_loading("auto") == "pyav"
    notes = {name: load(name).note for name in DECODERS}
    assert all("\n" not in note and note for note in notes.values())
    assert notes["pyav"] == av.__version__


@pytest.mark.parametrize("decoder", HERE)
@pytest.mark.parametrize(
    "data", [b"", b"no video", encode(8)[:900], encode(8)[-900:]], ids=["empty", "text", "head", "tail"]
)
def test_what_is_no_clip_is_one_line(decoder, data):
    with pytest.raises(DecodeError) as error:
        decode_frames(data, np.array([0, 3]), decoder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("decoder", HERE)
def test_frames_beyond_the_end_are_refused(decoder):
    with pytest.raises(DecodeError):
        decode_frames(encode(8), np.array([2, 8]), decoder)
    with pytest.raises(DecodeError, match="asked for"):
        decode_frames(encode(8), np.array([-1, 2]), decoder)
    with pytest.raises(DecodeError, match="asked for"):
        decode_frames(encode(8), np.array([], dtype=np.int64), decoder)


def test_pyav_tells_damage_before_a_wanted_frame():
    data = encode(8, gop=8, size=(160, 96), options={"tune": "fastdecode"})
    with av.open(io.BytesIO(data)) as container:
        second = [packet for packet in container.demux(video=0) if packet.size][1]
    damaged = bytearray(data)
    damaged[second.pos + 8 : second.pos + second.size] = bytes(second.size - 8)
    decode_frames(bytes(damaged), np.array([0]), "pyav")
    with pytest.raises(DecodeError, match="damaged frame"):
        decode_frames(bytes(damaged), np.array([0, 6]), "pyav")


def test_a_decoder_that_does_not_load_says_why_in_a_line(monkeypatch):
    module._load.cache_clear()
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    try:
        with pytest.raises(InputError, match="'torchcodec' does not load"):
            decode_frames(encode(4), np.array([0]), "torchcodec")
        assert "\n" not in load("torchcodec").note
        with pytest.raises(InputError, match="no decoder is called 'cv2'"):
            decode_frames(encode(4), np.array([0]), "cv2")
    finally:
        module._load.cache_clear()


class CountingCodec:
    """Notes how many packets are decoded."""

    def __init__(self, codec):
        self.name, self.extradata, self.flush_buffers = codec.name, codec.extradata, codec.flush_buffers
        self.count, self._codec = 0, codec

    def decode(self, packet):
        self.count += packet is not None
        return self._codec.decode(packet)


def test_pyav_decodes_no_picture_that_nothing_wanted_is_built_on():
    data = encode(40, fps=30, gop=40, b_frames=3, options={"b-adapt": "0", "b-pyramid": "none"})
    with av.open(io.BytesIO(data), options={"skip_frame": "all"}) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        theirs = container.streams.video[0].codec_context
        codec = CountingCodec(av.CodecContext.create(theirs.name, "r"))
        codec._codec.extradata = codec.extradata = theirs.extradata
        last = max(packet.pts for packet in packets)
        (frame,) = wanted_frames(codec, packets, {last})
    assert np.array_equal(frame.to_ndarray(format="rgb24"), all_frames(data)[-1])
    assert codec.count < 15, "three of four are B frames, which nothing refers to"


@pytest.mark.parametrize("clip", ["train profile", "B pyramid, open groups"])
def test_a_decoder_that_met_damage_shows_the_next_clip_as_it_is(clip):
    data = encode(**CLIPS[clip])
    expected = all_frames(data)
    with av.open(io.BytesIO(data)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][1]
    damaged = bytearray(data)
    damaged[packet.pos + 8 : packet.pos + packet.size] = bytes(packet.size - 8)
    for _ in range(2):
        try:
            decode_frames(bytes(damaged), np.arange(len(expected)), "pyav")
        except DecodeError as error:
            assert "\n" not in str(error)
        assert np.array_equal(decode_frames(data, np.array([1, 3, 5]), "pyav"), expected[[1, 3, 5]])


def test_threads_do_not_share_a_decoder():
    clips = [encode(**CLIPS[name]) for name in ("train profile", "intra", "30 fps, B frames")]
    expected = [all_frames(data) for data in clips]

    def all_match(number):
        place = number % len(clips)
        return np.array_equal(decode_frames(clips[place], np.array([0, 2, 7]), "pyav"), expected[place][[0, 2, 7]])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(all_match, range(60)))
