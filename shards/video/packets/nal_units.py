"""What packets of H.264 and HEVC say about their pictures: whether others refer to them, and where decoding may begin.

A packet holds one picture as NAL units. In mp4 and Matroska each stands after its own length (ISO/IEC 14496-15, 5.3.3),
elsewhere after a start code. The first byte of a unit says what it is and, in H.264, whether others refer to it (ITU-T
H.264, 7.3.1 and 7.4.1).

Where decoding may begin is told by what a picture is, as a container's marks are not enough. Containers mark as
keyframes what encoders call so, among others pictures from which the image is refreshed strip by strip over the
following seconds: decoding from there shows gray where the strips have not come yet.
"""

import re
from collections.abc import Callable

import av

from egocurate.shards.video.packets.av1_units import av1_references

_REF_IDC, _TYPE = 0x60, 0x1F  # bits of a unit's first byte in H.264
_SLICES, _IDR, _MESSAGES = range(1, 6), 5, 6  # types of units: ITU-T H.264, table 7-1
_RECOVERY_POINT = 6  # type of a message: ITU-T H.264, D.1
_HEVC_RANDOM_ACCESS = range(16, 22)  # types of units: ITU-T H.265, table 7-1
_LENGTHS_FIRST = 1  # first byte of a decoder's configuration where units stand after their lengths
_START_CODE = re.compile(b"\0\0\1")

_HEVC_PARTS, _HEVC_NOT_REFERRED = range(32), range(0, 16, 2)  # of pictures; table 7-1 again
_AV1 = ("av1", "libdav1d", "libaom-av1")  # decoders of it
_HEVC_LAYERS = 21  # byte of an mp4 file's configuration that counts the temporal layers: ISO/IEC 14496-15, 8.3.3.1

EntryTest = Callable[[av.Packet], bool]
ReferenceTest = Callable[[memoryview], bool]


def length_size(codec: str, extradata: bytes | None) -> int | None:
    """Return how many bytes give the length of a unit, by the decoder's configuration; None if it is not H.264 in mp4.

    codec: FFmpeg's name of it.
    """
    return _length_size(extradata, 4) or None if codec == "h264" else None


def reference_test(codec: str, extradata: bytes | None) -> ReferenceTest | None:
    """Return what tells whether other pictures may refer to that of a packet; None where packets do not say so.

    They do in H.264 and in HEVC, in containers whose units stand after their lengths, and in AV1, whose packets have to
    be given in the order in which they are decoded. codec and extradata: as for `entry_test`.
    """
    if codec in _AV1:
        return av1_references(extradata)
    if codec == "hevc" and (size := _length_size(extradata, _HEVC_LAYERS)):
        last_layer = (extradata[_HEVC_LAYERS] >> 3 & 7) - 1
        return lambda packet: _is_referred_to_hevc(packet, size, last_layer)
    size = length_size(codec, extradata)
    return None if size is None else lambda packet: is_referred_to(packet, size)


def _is_referred_to_hevc(packet: memoryview, size: int, last_layer: int) -> bool:
    """Tell whether pictures may refer to that of a packet: those of its own temporal layer or of a later one."""
    parts = [unit for unit in nal_units(bytes(packet), size) if unit[0] >> 1 & 0x3F in _HEVC_PARTS]
    return not parts or any(
        len(unit) < 2 or unit[0] >> 1 & 0x3F not in _HEVC_NOT_REFERRED or (unit[1] & 7) - 1 != last_layer
        for unit in parts
    )


def is_referred_to(packet: memoryview, length_size: int) -> bool:
    """Tell whether other pictures may refer to that of `packet`; True where it cannot be read."""
    slices = _slices(packet, length_size)
    return not slices or any(head & _REF_IDC for head in slices)


def is_idr(packet: memoryview, length_size: int) -> bool:
    """Tell whether no picture from this one on refers to any before it; False where the packet cannot be read."""
    slices = _slices(packet, length_size)
    return bool(slices) and slices[0] & _TYPE == _IDR


def entry_test(codec: str, extradata: bytes | None) -> EntryTest:
    """Return what tells whether decoding may begin at a packet: what is displayed from it on is then as it should be.

    codec: FFmpeg's name of it; extradata: the decoder's configuration, as the container has it.
    """
    known = {"h264": (_begins_h264, 4), "hevc": (_begins_hevc, 21)}
    if codec not in known:
        return lambda packet: packet.is_keyframe
    begins, place = known[codec]
    size = _length_size(extradata, place)
    return lambda packet: packet.is_keyframe and begins(nal_units(bytes(packet), size))


def nal_units(packet: bytes, length_size: int) -> list[bytes]:
    """Return the units of a packet: each after its length, or with 0 after a start code; none if they do not add up."""
    if length_size == 0:
        starts = [match.end() for match in _START_CODE.finditer(packet)]
        ends = [start - 3 for start in starts[1:]] + [len(packet)]
        return [packet[start:end] for start, end in zip(starts, ends, strict=False) if end > start]
    units, at = [], 0
    while at + length_size < len(packet):
        end = at + length_size + int.from_bytes(packet[at : at + length_size])
        units.append(packet[at + length_size : end])
        at = end
    return [unit for unit in units if unit] if at == len(packet) else []


def _begins_h264(units: list[bytes]) -> bool:
    """Tell whether a picture is an IDR picture, or says that all is right from it on at once."""
    return any(unit[0] & _TYPE == _IDR or (unit[0] & _TYPE == _MESSAGES and _recovers_at_once(unit)) for unit in units)


def _begins_hevc(units: list[bytes]) -> bool:
    """Tell whether a picture is one of the kinds that the standard calls random access points."""
    return any(unit[0] >> 1 & 0x3F in _HEVC_RANDOM_ACCESS for unit in units)


def _recovers_at_once(unit: bytes) -> bool:
    """Tell whether a unit's messages have a recovery point with recovery_frame_cnt 0: its first bit is 1 then."""
    messages, at = unit[1:].replace(b"\0\0\3", b"\0\0"), 0
    while at + 2 < len(messages):
        kind, at = _number(messages, at)
        size, at = _number(messages, at)
        if kind == _RECOVERY_POINT:
            return messages[at : at + 1] >= b"\x80"
        at += size
    return False


def _number(messages: bytes, at: int) -> tuple[int, int]:
    """Read a number written as a sum of bytes, of which only the last is not 255; returns it and the place after it."""
    number = 0
    while messages[at : at + 1] == b"\xff":
        number, at = number + 255, at + 1
    return number + int.from_bytes(messages[at : at + 1]), at + 1


def _length_size(extradata: bytes | None, place: int) -> int:
    """Return how many bytes give the length of a unit, 0 where start codes part them; `place` has it, less 1."""
    if extradata and len(extradata) > place and extradata[0] == _LENGTHS_FIRST:
        return (extradata[place] & 3) + 1
    return 0


def _slices(packet: memoryview, length_size: int) -> list[int]:
    """Return the first byte of each unit that holds a part of the picture; none if the lengths do not add up."""
    slices, at = [], 0
    while at + length_size < len(packet):
        head = packet[at + length_size]
        if head & _TYPE in _SLICES:
            slices.append(head)
        at += length_size + int.from_bytes(packet[at : at + length_size])
    return slices if at == len(packet) else []
