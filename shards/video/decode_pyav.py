"""Frames of a clip by PyAV, decoding no more than a wanted frame is built on."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from egocurate.shards.video.decoder_protocol import DecodeError, DecodeFrames, check_size
from egocurate.shards.video.nal_units import is_idr, is_referred_to, length_size
from egocurate.storage.open_video import open_clip

KEPT_DECODERS = 8
# A new decoder pays for its picture buffers again, a tenth of the time: each thread keeps those of a few layouts.
_of_this_thread = threading.local()


def load() -> DecodeFrames:
    """Return the decoder, and silence FFmpeg: its lines do not say which clip they are about, DecodeError does."""
    av.logging.set_level(av.logging.PANIC)
    return decode


def decode(data: bytes, indices: list[int]) -> np.ndarray:
    """Return the frames at ascending distinct indices as uint8 [T, H, W, 3]; raises DecodeError."""
    try:
        with open_clip(data) as container:
            stream = container.streams.video[0]
            check_size(stream.width, stream.height)
            packets = [packet for packet in container.demux(stream) if packet.size]
            times = sorted(packet.pts for packet in packets if not packet.is_discard)
            place = {times[index]: number for number, index in enumerate(indices)}
            with _decoder_like(stream.codec_context) as codec:
                # One of its own for each clip: a converter is bound to a size.
                converter = VideoReformatter()
                frames = wanted_frames(codec, packets, place.keys())
                return _in_place(((f.pts, converter.reformat(f, format="rgb24")) for f in frames), place)
    # AttributeError: an unknown codec; IndexError: no video stream or too few packets; TypeError: no times;
    # ValueError: frames of several sizes.
    except (av.error.FFmpegError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise DecodeError(f"PyAV: {str(error) or type(error).__name__}") from error


@contextmanager
def _decoder_like(theirs: av.VideoCodecContext) -> Iterator[av.VideoCodecContext]:
    """Lend this thread's decoder for streams like `theirs`; one that met an error is not lent again."""
    decoders: OrderedDict[tuple, av.VideoCodecContext] = _of_this_thread.__dict__.setdefault("decoders", OrderedDict())
    layout = (theirs.name, theirs.extradata, theirs.width, theirs.height, theirs.colorspace, theirs.color_range)
    codec = decoders.pop(layout, None)
    if codec is None:
        codec = av.CodecContext.create(theirs.name, "r")
        codec.extradata, codec.thread_count = theirs.extradata, 1
        codec.colorspace, codec.color_range = theirs.colorspace, theirs.color_range
    yield codec
    decoders[layout] = codec
    if len(decoders) > KEPT_DECODERS:
        decoders.popitem(last=False)


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
