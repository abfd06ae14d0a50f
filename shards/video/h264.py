"""Read from H.264 in mp4 (ISO/IEC 14496-15) which pictures no other refers to: they can be left out without a trace."""

SLICES = range(1, 6)  # types of NAL units that hold a picture: H.264, table 7-1


def length_size(extradata: bytes | None) -> int | None:
    """Return how many bytes give the length of a NAL unit, from the decoder's configuration; None if it is no mp4's."""
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 4 and extradata[0] == 1 else None


def is_referred_to(packet: memoryview, length_size: int) -> bool:
    """Tell whether other pictures may refer to that of `packet`; True where it cannot be read."""
    at, slices = 0, 0
    while at + length_size < len(packet):
        size = int.from_bytes(packet[at : at + length_size])
        head = packet[at + length_size]
        if head & 0x1F in SLICES:
            slices += 1
            if head & 0x60:  # nal_ref_idc
                return True
        at += length_size + size
    return at != len(packet) or not slices
