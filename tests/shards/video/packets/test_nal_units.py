import av
import pytest

from egocurate.shards.video.packets.nal_units import entry_test, is_idr, is_referred_to, length_size, reference_test

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


@pytest.mark.parametrize("start_codes", [True, False])
def test_decoding_begins_where_all_is_right_at_once(start_codes):
    recovers, refreshes = bytes([6, 5, 2, 0, 3, 6, 1, 0xC4, 0x80]), bytes([6, 6, 1, 0x44, 0x80])
    for units, begins in (
        ([bytes([SEI, 5, 1, 7, 0x80]), bytes([IDR, 0xAA])], True),
        ([recovers, b"\x41\x9a"], True),
        ([refreshes, b"\x41\x9a"], False),
        ([b"\x06\x05\xff\xff"], False),  # messages that end too early
        ([b"\x41\x9a"], False),
        ([], False),
    ):
        parts = (b"\0\0\1" + unit if start_codes else len(unit).to_bytes(4) + unit for unit in units)
        packet = av.Packet(b"".join(parts))
        packet.is_keyframe = True
        test = entry_test("h264", None if start_codes else bytes([1, 100, 0, 31, 0xFF]))
        assert test(packet) == begins, units
        packet.is_keyframe = False
        assert not test(packet)


HEVC_IN_MP4 = bytes([1]) + bytes(20) + bytes([0b00_001_0_11])  # one temporal layer, lengths of 4 bytes


def hevc_packet(*kinds, layer=0):
    units = [bytes([kind << 1, layer + 1, 0xAA]) for kind in kinds]
    return memoryview(b"".join(len(unit).to_bytes(4) + unit for unit in units))


def test_hevc_says_what_others_refer_to():
    test = reference_test("hevc", HEVC_IN_MP4)
    trail_n, trail_r, idr, message = 0, 1, 19, 39
    assert not test(hevc_packet(message, trail_n, trail_n))
    for referred in (hevc_packet(trail_r), hevc_packet(idr), hevc_packet(trail_n, trail_r), hevc_packet(message)):
        assert test(referred)
    # Pictures of a later temporal layer may refer to those that their own layer does not.
    assert test(hevc_packet(trail_n, layer=1))
    layers = reference_test("hevc", HEVC_IN_MP4[:-1] + bytes([0b00_010_0_11]))
    assert layers(hevc_packet(trail_n)) and not layers(hevc_packet(trail_n, layer=1))
    for broken in (hevc_packet(trail_n)[:-1], memoryview(b""), memoryview(b"\0\0\0\1\0")):
        assert test(broken)


def test_without_lengths_or_for_other_codecs_nothing_is_left_out():
    assert reference_test("hevc", b"\0\0\0\1" + bytes(30)) is None and reference_test("hevc", None) is None
    assert reference_test("vp9", HEVC_IN_MP4) is None
    assert reference_test("h264", bytes([1, 100, 0, 31, 0xFF])) is not None
