"""Which pictures of AV1 others refer to, by headers written bit for bit as the specification has them."""

import pytest

from egocurate.shards.video.packets.av1_units import av1_references
from egocurate.shards.video.packets.nal_units import reference_test

SEQUENCE, DELIMITER, HEADER, FRAME = 1, 2, 3, 6
KEY, INTER, INTRA_ONLY, SWITCH = range(4)


def unit(kind: int, bits: str, layer: bool = False) -> bytes:
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8)) if bits else b""
    extension = b"\x20" if layer else b""
    return bytes([kind << 3 | layer << 2 | 2]) + extension + bytes([len(content)]) + content


def sequence(
    *, order_hint_bits: int = 7, frame_ids: bool = False, screen: str = "1", motion: str = "1", timing: str = "0"
):
    return unit(
        SEQUENCE,
        "000"
        + "0"
        + "0"  # profile, neither a still nor a short header
        + timing
        + "0"
        + "00000"
        + "0" * 12
        + "01001"
        + "0"  # one operating point of level 9, with its tier
        + "0111"
        + "0110"
        + "0" * 8
        + "0" * 7  # sides in 8 and 7 bits
        + ("1" + "0010" + "001" if frame_ids else "0")  # numbers of frames in 1 + 2 + 3 bits
        + "0" * 7
        + ("1" + "00" if order_hint_bits else "0")
        + screen
        + motion
        + (f"{order_hint_bits - 1:03b}" if order_hint_bits else ""),
    )


def frame(
    kind: int, refresh: int, *, shown: int = 1, resilient: int = 0, tools: str = "0", ids: str = "", order: int = 7
):
    """A frame's header where all of the sequence's tools are told by each frame."""
    head = f"0{kind:02b}{shown}" + ("" if shown else "1")
    if kind == SWITCH or (kind == KEY and shown):
        return unit(FRAME, head + "0" * 60)
    primary = "" if kind in (KEY, INTRA_ONLY) or resilient else "101"
    return unit(FRAME, f"{head}{resilient}0{tools}{ids}1" + "1" * order + primary + f"{refresh:08b}" + "1" * 40)


def configuration(header: bytes) -> bytes:
    return b"\x81\x01\x0d\x00" + header


@pytest.fixture
def is_referred_to():
    return reference_test("libdav1d", configuration(sequence()))


def test_a_frame_that_refreshes_no_slot_is_not_referred_to(is_referred_to):
    delimiter = unit(DELIMITER, "")
    for leaf in (
        frame(INTER, 0),
        delimiter + frame(INTER, 0),
        frame(INTER, 0, resilient=1),
        frame(INTER, 0, tools="10"),
        frame(INTRA_ONLY, 0),
        frame(INTER, 0, shown=0) + frame(INTER, 0),
        unit(DELIMITER, "", layer=True) + frame(INTER, 0),
    ):
        assert not is_referred_to(memoryview(leaf)), leaf
    for kept in (
        frame(INTER, 1),
        frame(INTER, 128),
        frame(INTER, 64, resilient=1, tools="11"),
        frame(INTRA_ONLY, 2),
        frame(INTER, 4, shown=0) + frame(INTER, 0),
        frame(KEY, 0),
        frame(SWITCH, 0),
        unit(HEADER, "1" + "011"),  # shows a frame that is kept
        delimiter,
    ):
        assert is_referred_to(memoryview(kept)), kept


@pytest.mark.parametrize(
    ("header", "how"),
    [
        (sequence(order_hint_bits=0), {"order": 0}),
        (sequence(order_hint_bits=3), {"order": 3}),
        (sequence(frame_ids=True), {"ids": "110110"}),
        (sequence(screen="00", motion=""), {"tools": ""}),
        (sequence(screen="01", motion="01"), {"tools": ""}),
        (sequence(screen="01", motion="1"), {"tools": "1"}),
        (sequence(timing="1" + "0" * 64 + "1" + "00101" + "0"), {}),
    ],
)
def test_headers_are_read_as_their_sequence_says(header, how):
    is_referred_to = av1_references(configuration(header))
    assert not is_referred_to(memoryview(frame(INTER, 0, **how)))
    assert is_referred_to(memoryview(frame(INTER, 16, **how)))


def test_the_sequence_header_that_came_last_counts():
    is_referred_to = av1_references(configuration(sequence(order_hint_bits=3)))
    leaf, kept = frame(INTER, 0), frame(INTER, 1)
    assert is_referred_to(memoryview(sequence() + frame(KEY, 0)))
    assert not is_referred_to(memoryview(leaf)) and is_referred_to(memoryview(kept))


@pytest.mark.parametrize(
    "header",
    [
        unit(SEQUENCE, "000" + "1" + "1" + "0" * 60),  # a still picture
        sequence(timing="1" + "0" * 64 + "0" + "1"),  # a model of the decoder's buffers
        sequence()[:-4],
        b"",
    ],
)
def test_what_is_not_read_leaves_nothing_out(header):
    is_referred_to = av1_references(configuration(header))
    assert is_referred_to(memoryview(frame(INTER, 0)))


def test_broken_packets_leave_nothing_out_until_the_next_sequence_header(is_referred_to):
    leaf = frame(INTER, 0)
    for broken in (leaf[:-1], leaf + b"\x32", b"\x32" + b"\xff" * 9, unit(FRAME, "0010"), b"\x36", b""):
        assert not is_referred_to(memoryview(sequence() + leaf))
        assert is_referred_to(memoryview(broken)), broken
    assert is_referred_to(memoryview(leaf[:-1])) and is_referred_to(memoryview(leaf))


def test_streams_without_a_configuration_are_not_read():
    assert reference_test("av1", None) is None
    assert reference_test("av1", b"\x01\x01\x0d\x00") is None
