"""Read from H.264 packets of an mp4 which pictures no other refers to: leaving those out changes nothing else.

A packet holds one picture as NAL units, each after its own length (ISO/IEC 14496-15, 5.3.3). The first byte of a unit
says what it is and whether others refer to it (ITU-T H.264, 7.3.1 and 7.4.1).
"""

_REF_IDC, _TYPE = 0x60, 0x1F  # bits of a unit's first byte
_SLICES, _IDR = range(1, 6), 5  # types of units that hold a part of a picture: ITU-T H.264, table 7-1


def length_size(codec: str, extradata: bytes | None) -> int | None:
    """Return how many bytes give the length of a unit, by the decoder's configuration; None if it is not H.264 in mp4.

    codec: FFmpeg's name of it.
    """
    in_mp4 = codec == "h264" and extradata and len(extradata) > 4 and extradata[0] == 1
    return (extradata[4] & 3) + 1 if in_mp4 else None


def is_referred_to(packet: memoryview, length_size: int) -> bool:
    """Tell whether other pictures may refer to that of `packet`; True where it cannot be read."""
    slices = _slices(packet, length_size)
    return not slices or any(head & _REF_IDC for head in slices)


def is_idr(packet: memoryview, length_size: int) -> bool:
    """Tell whether no picture from this one on refers to any before it; False where the packet cannot be read."""
    slices = _slices(packet, length_size)
    return bool(slices) and slices[0] & _TYPE == _IDR


def _slices(packet: memoryview, length_size: int) -> list[int]:
    """Return the first byte of each unit that holds a part of the picture; none if the lengths do not add up."""
    slices, at = [], 0
    while at + length_size < len(packet):
        head = packet[at + length_size]
        if head & _TYPE in _SLICES:
            slices.append(head)
        at += length_size + int.from_bytes(packet[at : at + length_size])
    return slices if at == len(packet) else []
