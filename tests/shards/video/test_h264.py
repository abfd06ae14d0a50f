import pytest

from egocurate.shards.video.h264 import is_idr, is_referred_to, length_size

SEI, IDR, REFERRED_TO, NOT_REFERRED_TO = 0x06, 0x65, 0x41, 0x01


def packet(*heads, length=4):
    units = [bytes([head, 0xAA, 0xBB]) for head in heads]
    return memoryview(b"".join(len(unit).to_bytes(length) + unit for unit in units))


@pytest.mark.parametrize("length", [1, 2, 4])
def test_what_others_refer_to_is_read_behind_lengths_of_any_size(length):
    assert is_referred_to(packet(SEI, REFERRED_TO, length=length), length)
    assert not is_referred_to(packet(SEI, NOT_REFERRED_TO, NOT_REFERRED_TO, length=length), length)
    assert is_idr(packet(SEI, IDR, length=length), length)
    assert not is_idr(packet(SEI, REFERRED_TO, length=length), length)


@pytest.mark.parametrize("broken", [memoryview(b""), packet(SEI), packet(NOT_REFERRED_TO)[:-1], memoryview(bytes(3))])
def test_a_packet_that_cannot_be_read_is_decoded_and_starts_nothing(broken):
    assert is_referred_to(broken, 4) and not is_idr(broken, 4)


def test_only_h264_in_mp4_has_lengths():
    assert length_size("h264", bytes([1, 100, 0, 31, 0xFF])) == 4
    assert length_size("h264", bytes([1, 100, 0, 31, 0xFC])) == 1
    assert length_size("hevc", bytes([1, 100, 0, 31, 0xFF])) is None
    assert length_size("h264", b"\0\0\0\1\x67") is None and length_size("h264", None) is None
