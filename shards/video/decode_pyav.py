"""Frames of a clip by PyAV, decoding no more than a wanted frame is built on."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from egocurate.shards.video.decoder_protocol import DecodeError, DecodeFrames, check_size
from egocurate.shards.video.mp4.sample_table import Mp4Samples, mp4_samples
from egocurate.shards.video.packets.nal_units import is_idr, is_referred_to, length_size
from egocurate.storage.open_video import open_clip

KEPT_DECODERS = 8
# A new decoder pays for its picture buffers again, a tenth of the time: each thread keeps those of a few layouts.
_of_this_thread = threading.local()


class _Decoder(NamedTuple):
    """A decoder, and what turns its pictures into RGB; both are bound to what is known of a layout."""

    codec: av.VideoCodecContext
    converter: VideoReformatter


def load() -> DecodeFrames:
    """Return the decoder, and silence FFmpeg: its lines do not say which clip they are about, DecodeError does."""
    av.logging.set_level(av.logging.PANIC)
    return decode


def decode(data: bytes, indices: list[int]) -> np.ndarray:
    """Return the frames at ascending distinct indices as uint8 [T, H, W, 3]; raises DecodeError."""
    samples = mp4_samples(data)
    decoder = None if samples is None else _kept().pop(samples.description, None)
    try:
        if decoder is not None:
            return _decode(decoder, samples.description, _packets(data, samples), indices)
        # The first clip of a layout, or one that is not plain: FFmpeg's demuxer says what its decoder has to know.
        with open_clip(data) as container:
            stream = container.streams.video[0]
            check_size(stream.width, stream.height)
            packets = [packet for packet in container.demux(stream) if packet.size]
            layout = _layout(stream.codec_context) if samples is None else samples.description
            decoder = _kept().pop(layout, None) or _new_decoder(stream.codec_context)
            return _decode(decoder, layout, packets, indices)
    # AttributeError: an unknown codec; IndexError: no video stream or too few packets; TypeError: no times;
    # ValueError: frames of several sizes.
    except (av.error.FFmpegError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise DecodeError(f"PyAV: {str(error) or type(error).__name__}") from error


def _packets(data: bytes, samples: Mp4Samples) -> list[av.Packet]:
    """Return the pictures of a file as packets that share its memory."""
    packets, file = [], memoryview(data)
    for (start, end), time, is_key in zip(samples.span, samples.time, samples.is_key, strict=True):
        packet = av.Packet(file[start:end])
        packet.pts, packet.is_keyframe = time, is_key
        packets.append(packet)
    return packets


def _decode(decoder: _Decoder, layout: tuple, packets: list[av.Packet], indices: list[int]) -> np.ndarray:
    """Return frames as `decode`, and keep the decoder for the next clip of its layout unless it met an error."""
    times = sorted(packet.pts for packet in packets if not packet.is_discard)
    place = {times[index]: number for number, index in enumerate(indices)}
    frames = wanted_frames(decoder.codec, packets, place.keys())
    # On this thread: there are as many processes as cores, and each new converter would start a thread for every core.
    pictures = ((f.pts, decoder.converter.reformat(f, format="rgb24", threads=1)) for f in frames)
    found = _in_place(pictures, place)
    decoders = _kept()
    decoders[layout] = decoder
    if len(decoders) > KEPT_DECODERS:
        decoders.popitem(last=False)
    return found


def _kept() -> OrderedDict[tuple, _Decoder]:
    return _of_this_thread.__dict__.setdefault("decoders", OrderedDict())


def _layout(theirs: av.VideoCodecContext) -> tuple:
    return theirs.name, theirs.extradata, theirs.width, theirs.height, theirs.colorspace, theirs.color_range


def _new_decoder(theirs: av.VideoCodecContext) -> _Decoder:
    codec = av.CodecContext.create(theirs.name, "r")
    codec.extradata, codec.thread_count = theirs.extradata, 1
    codec.colorspace, codec.color_range = theirs.colorspace, theirs.color_range
    return _Decoder(codec, VideoReformatter())


def wanted_frames(codec: av.VideoCodecContext, packets: list[av.Packet], wanted: Set[int]) -> Iterator[av.VideoFrame]:
    """Yield the frames of the wanted times (pts), decoding of each group of pictures no more than it takes."""
    unit_length = length_size(codec.name, codec.extradata)
    for group in _groups(packets):
        waiting = wanted & {packet.pts for packet in group}
        if not waiting:
            continue
        # Such a picture makes the decoder forget what came before, and keep its memory, which a flush gives back.
        if unit_length is None or not is_idr(memoryview(group[0]), unit_length):
            codec.flush_buffers()
        for packet in [*group, None]:
            skippable = unit_length is not None and packet is not None and packet.pts not in waiting
            if skippable and not is_referred_to(memoryview(packet), unit_length):
                continue  # no other picture refers to this one
            for frame in codec.decode(packet):
                # Later frames are built on this one, and are not marked themselves.
                if frame.is_corrupt:
                    raise DecodeError(f"PyAV: damaged frame at {frame.pts}")
                if frame.pts in waiting:
                    waiting.discard(frame.pts)
                    yield frame
            if packet is None:
                codec.flush_buffers()  # which had given all it held, and would take no more
            if not waiting:
                break
    codec.flush_buffers()


def _groups(packets: list[av.Packet]) -> list[list[av.Packet]]:
    """Return the packets divided at keyframes into groups that decode on their own."""
    groups: list[list[av.Packet]] = []
    for packet in packets:
        if packet.is_keyframe or not groups:
            groups.append([packet])
            continue
        # A frame shown before its keyframe may refer to the group before (open GOP): keep the two together.
        if len(groups) > 1 and packet.pts < groups[-1][0].pts:
            groups[-2:] = [groups[-2] + groups[-1]]
        groups[-1].append(packet)
    return groups


def _in_place(frames: Iterable[tuple[int, av.VideoFrame]], place: dict[int, int]) -> np.ndarray:
    """Return (time, RGB frame) pairs as uint8 [T, H, W, 3], each at the place of its time; raises DecodeError."""
    pictures: np.ndarray | None = None
    missing = set(place)
    for time, frame in frames:
        # At once, so that decoder and converter use the same memory again: a quarter of the time.
        picture = frame.to_ndarray()
        if pictures is None:
            pictures = np.empty((len(place), *picture.shape), np.uint8)
        pictures[place[time]] = picture
        missing.discard(time)
    if missing:
        raise DecodeError(f"PyAV: {len(missing)} of {len(place)} frames do not decode")
    return pictures
