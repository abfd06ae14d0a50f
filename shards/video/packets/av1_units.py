"""What packets of AV1 say about their pictures: whether others refer to them.

A packet holds the frames of one picture on screen as open bitstream units (OBUs), hidden ones among them. A frame that
refreshes none of the eight reference slots leaves nothing behind: motion vectors, segments and probabilities are all
kept with a slot. VP9 is not like that: a frame hands its motion vectors on to the next in any case, so none of its
pictures is left out. Numbers below are sections of "AV1 Bitstream & Decoding Process Specification".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_CONFIGURATION = 0x81  # first byte of an AV1 stream's configuration: marker and version 1
_CONFIGURATION_BYTES = 4  # before its units: "AV1 Codec ISO Media File Format Binding", 2.3.3
_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6  # types of units, 6.2.2
_KEY_FRAME, _INTRA_ONLY, _SWITCH_FRAME = 0, 2, 3
_TOLD_BY_EACH_FRAME = 2  # of two tools that a sequence may settle for all its frames


class Sequence(NamedTuple):
    """What a sequence header says of how those of frames are written."""

    frame_id_bits: int
    screen_content_tools: int
    integer_mv: int
    order_hint_bits: int


class Av1References:
    """Tells of packets, in the order of decoding, whether other pictures may refer to theirs; True if it cannot tell.

    The sequence header that came last counts, as for a decoder: that of a file's configuration may be another.
    """

    def __init__(self, configuration: bytes) -> None:
        """Take the units of a stream's configuration."""
        self._sequence: Sequence | None = None
        self(memoryview(configuration))

    def __call__(self, packet: memoryview) -> bool:
        """Tell it of one packet."""
        try:
            referred = [self._is_referred_to(kind, content) for kind, content in _units(bytes(packet))]
        except ValueError:
            self._sequence = None  # what cannot be read may have been a sequence header
            return True
        told = [one for one in referred if one is not None]
        return not told or any(told)

    def _is_referred_to(self, kind: int, content: bytes) -> bool | None:
        """Read a unit; returns None if it begins no frame."""
        if kind == _SEQUENCE_HEADER:
            self._sequence = _read_sequence(_Bits(content))
        if kind not in (_FRAME_HEADER, _FRAME):
            return None
        return self._sequence is None or _refreshes(_Bits(content), self._sequence)


def av1_references(extradata: bytes | None) -> Av1References | None:
    """Return what reads packets of a stream with that configuration, None if it has none."""
    if not extradata or extradata[0] != _CONFIGURATION:
        return None
    return Av1References(extradata[_CONFIGURATION_BYTES:])


class _Bits:
    """Bits of a unit's content, the first ones first; raises ValueError at its end."""

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content[:64]), 8 * min(len(content), 64)

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("a header that ends too early")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def _units(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and content of each unit; raises ValueError if their lengths do not add up."""
    at = 0
    while at < len(packet):
        head = packet[at]
        at += 2 if head & 4 else 1
        size = len(packet) - at
        if head & 2:
            size, at = _leb128(packet, at)
        if size < 0 or at + size > len(packet):
            raise ValueError("units that do not add up")
        yield head >> 3 & 15, packet[at : at + size]
        at += size


def _leb128(packet: bytes, at: int) -> tuple[int, int]:
    """Read a number of up to eight bytes, the lowest seven bits first; returns it and the place after it."""
    number = 0
    for place, byte in enumerate(packet[at : at + 8]):
        number |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return number, at + place + 1
    raise ValueError("a length that does not end")


def _read_sequence(bits: _Bits) -> Sequence:
    """Read a sequence header, 5.5.1, up to the order hints; raises ValueError for stills and for decoder models."""
    bits.read(4)  # profile, still picture
    if bits.read(1):
        raise ValueError("a still picture")
    if bits.read(1) and _has_decoder_model(bits):
        raise ValueError("a model of the decoder's buffers")
    delays = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:  # level
            bits.read(1)
        if delays and bits.read(1):
            bits.read(4)
    sides = bits.read(4) + 1, bits.read(4) + 1
    bits.read(sum(sides))
    frame_id_bits = bits.read(4) + bits.read(3) + 3 if bits.read(1) else 0
    bits.read(7)  # tools of prediction
    order_hints = bits.read(1)
    if order_hints:
        bits.read(2)
    screen_content_tools = _TOLD_BY_EACH_FRAME if bits.read(1) else bits.read(1)
    integer_mv = _TOLD_BY_EACH_FRAME
    if screen_content_tools and not bits.read(1):
        integer_mv = bits.read(1)
    return Sequence(frame_id_bits, screen_content_tools, integer_mv, bits.read(3) + 1 if order_hints else 0)


def _has_decoder_model(bits: _Bits) -> bool:
    """Read how fast frames follow each other, 5.5.3, and tell whether a model of the decoder's buffers comes next."""
    bits.read(64)
    if bits.read(1):  # all as long: one less than their ticks, in Golomb's code
        zeros = 0
        while not bits.read(1):
            zeros += 1
        bits.read(min(zeros, 32))
    return bool(bits.read(1))


def _refreshes(bits: _Bits, sequence: Sequence) -> bool:
    """Tell whether a frame may be kept in a reference slot, by its header, 5.9.2."""
    if bits.read(1):  # shows a frame that is kept; a key frame is then kept in all slots anew
        return True
    kind, is_shown = bits.read(2), bits.read(1)
    if not is_shown:
        bits.read(1)
    is_reset = kind == _SWITCH_FRAME or (kind == _KEY_FRAME and is_shown)
    if is_reset:
        return True
    resilient = bits.read(1)
    bits.read(1)
    tools = bits.read(1) if sequence.screen_content_tools == _TOLD_BY_EACH_FRAME else sequence.screen_content_tools
    if tools and sequence.integer_mv == _TOLD_BY_EACH_FRAME:
        bits.read(1)
    bits.read(sequence.frame_id_bits + 1 + sequence.order_hint_bits)
    if not (kind in (_KEY_FRAME, _INTRA_ONLY) or resilient):
        bits.read(3)
    return bits.read(8) != 0
