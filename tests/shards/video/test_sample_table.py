"""The tables of a stored clip, read here, against what FFmpeg's demuxer makes of them."""

import io
import struct

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.shards.video import decode_pyav
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.shards.video.mp4.sample_table import mp4_samples

PLAIN = {
    "train": {"count": 13, "gop": 2},
    "one frame": {"count": 1},
    "B frames": {"count": 30, "fps": 30, "gop": 12, "b_frames": 3},
    "fragments": {"count": 9, "movflags": "frag_keyframe+empty_moov"},
}


def clip(count, *, fps=8, gop=4, b_frames=0, size=(96, 64), movflags=""):
    rng = np.random.default_rng(count)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", container_options={"movflags": movflags} if movflags else {}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "veryfast", "g": str(gop), "bf": str(b_frames)}
        for _ in range(count):
            picture = np.kron(
                rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return file.getvalue()


def demuxed(data):
    with av.open(io.BytesIO(data)) as container:
        return [(p.pts, bytes(p), p.is_keyframe) for p in container.demux(video=0) if p.size and not p.is_discard]


@pytest.mark.parametrize("name", ["train", "one frame", "B frames"])
def test_pictures_stand_where_the_demuxer_finds_them(name):
    data = clip(**PLAIN[name])
    samples, packets = mp4_samples(data), demuxed(data)
    assert [data[start:end] for start, end in samples.span] == [content for _, content, _ in packets]
    assert samples.is_key == [is_key for _, _, is_key in packets]
    assert np.argsort(samples.time).tolist() == np.argsort([pts for pts, _, _ in packets]).tolist()


def test_clips_of_one_size_share_a_description_and_others_do_not():
    first, again, other = clip(5), clip(12), clip(5, size=(64, 96))
    assert mp4_samples(first).description == mp4_samples(again).description != mp4_samples(other).description


def test_what_is_not_plain_is_left_to_a_demuxer():
    data = clip(**PLAIN["fragments"])
    assert mp4_samples(data) is None
    assert len(decode_pyav.decode(data, [0, 8])) == 2
    plain = clip(8)
    assert mp4_samples(plain + plain) is None
    cut = bytearray(plain)
    edit = plain.index(b"elst") + 4 + 8
    cut[edit : edit + 4] = struct.pack(">I", 500)  # four of the eight pictures
    assert mp4_samples(bytes(cut)) is None
    with pytest.raises(DecodeError):
        decode_pyav.decode(bytes(cut), [7])


def test_after_the_first_clip_of_a_layout_no_demuxer_is_opened(monkeypatch):
    first, second = clip(8, size=(48, 32)), clip(11, size=(48, 32))
    decode_pyav.decode(first, [0])
    expected = decode_pyav.decode(second, [1, 4, 10])
    monkeypatch.setattr(decode_pyav, "open_clip", None)
    assert np.array_equal(decode_pyav.decode(second, [1, 4, 10]), expected)
    with av.open(io.BytesIO(second)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(expected, np.stack([frames[n] for n in (1, 4, 10)]))


TRAIN = clip(**PLAIN["train"])


@settings(max_examples=300, deadline=None)
@given(st.integers(TRAIN.index(b"moov") - 4, len(TRAIN) - 1), st.binary(min_size=1, max_size=8))
def test_broken_tables_name_no_byte_outside_of_the_file(at, noise):
    broken = TRAIN[:at] + noise + TRAIN[at + len(noise) :]
    samples = mp4_samples(broken)
    if samples is not None:
        assert all(0 <= start < end <= len(broken) - 64 for start, end in samples.span)
        assert len(samples.span) == len(samples.time) == len(set(samples.time)) == len(samples.is_key)
    try:
        decode_pyav.decode(broken, [0, 3])
    except DecodeError as error:
        assert "\n" not in str(error)
