"""Chosen frames of a clip in memory, by whichever decoder is there.

The three return bit-equal frames for H.264 4:2:0 clips, whatever colour matrix and range they are tagged with (tested).
`auto` takes the first that loads, in the order of `DECODERS`: PyAV brings its own FFmpeg, is level with torchcodec on
short clips with small groups of pictures, since it decodes only the groups that hold a wanted frame, and tells much of
the damage that decord conceals.
"""

import importlib.metadata
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from shards.errors import InputError

DecodeFrames = Callable[[bytes, list[int]], np.ndarray]
"""(file, ascending distinct indices) -> uint8 [T, H, W, 3]"""


class DecodeError(Exception):
    """A clip whose bytes do not hold the frames they should; `str()` is one line."""


@dataclass(frozen=True)
class Loaded:
    """A decoder that loads, or the reason why it does not."""

    frames: DecodeFrames | None
    note: str


def decode(data: bytes, indices: np.ndarray, decoder: str = "auto") -> torch.Tensor:
    """Return the frames at indices int64[T] (any order, repeats too) as uint8 [T, 3, H, W], channels last in memory.

    Raises DecodeError if the clip does not open, is damaged or too short; InputError if no such decoder loads.
    """
    frames = load(first_loading(decoder)).frames
    distinct, place = np.unique(indices, return_inverse=True)
    if len(distinct) == 0 or distinct[0] < 0:
        raise DecodeError(f"frames {indices.tolist()} were asked for")
    decoded = frames(data, distinct.tolist())
    if len(decoded) != len(distinct):
        raise DecodeError(f"{len(decoded)} of {len(distinct)} frames decode")
    if not np.array_equal(place, np.arange(len(distinct))):
        decoded = decoded[place]
    return torch.from_numpy(decoded).permute(0, 3, 1, 2)


def first_loading(decoder: str) -> str:
    """Return the decoder itself, or for `auto` the first that loads; raises InputError if it does not load."""
    for name in DECODERS if decoder == "auto" else (decoder,):
        if load(name).frames is not None:
            return name
    raise InputError(f"decoder {name!r} does not load ({load(name).note}): take auto, or see `curate doctor`")


def load(name: str) -> Loaded:
    """Return the decoder of that name, loaded once per process; InputError if there is no such name."""
    if name not in DECODERS:
        raise InputError(f"no decoder is called {name!r}: take one of auto, {', '.join(DECODERS)}")
    return _load(name)


@cache
def _load(name: str) -> Loaded:
    try:
        frames = DECODERS[name]()
    # torchcodec raises RuntimeError, a missing or broken shared library OSError.
    except (ImportError, OSError, RuntimeError) as error:
        return Loaded(None, _one_line(name, error))
    return Loaded(frames, importlib.metadata.version(_PACKAGES[name]))


def _one_line(name: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        return "not installed"
    if "libavutil" in str(error):
        # Forty lines of loader errors, one for each FFmpeg release, all meaning this.
        return "needs FFmpeg's shared libraries (libavcodec and others, FFmpeg 4 to 8) on the library path"
    return str(error).strip().partition("\n")[0]


def _pyav() -> DecodeFrames:
    import av

    av.logging.set_level(av.logging.PANIC)  # its lines do not say which clip; DecodeError does

    def frames(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            # Opening would decode the first frame, to learn what the decoder learns for itself: a sixth of the time.
            with av.open(io.BytesIO(data), options={"skip_frame": "all"}) as container:
                stream = container.streams.video[0]
                codec = stream.codec_context
                codec.skip_frame = "DEFAULT"
                codec.thread_count = 1
                packets = [packet for packet in container.demux(stream) if packet.size]
                times = sorted(packet.pts for packet in packets if not packet.is_discard)
                wanted = {times[index] for index in indices}
                found = {}
                for group in _groups(packets):
                    found |= _decode_group(codec, group, wanted & {packet.pts for packet in group})
                return np.stack([found[times[index]].to_ndarray(format="rgb24") for index in indices])
        # KeyError: a frame did not come out; IndexError: no video stream or too few packets; TypeError: no times.
        except (av.error.FFmpegError, KeyError, IndexError, TypeError) as error:
            raise DecodeError(f"PyAV: {str(error) or type(error).__name__}") from error

    return frames


def _groups(packets: list) -> list[list]:
    """Return the packets parted at keyframes into groups that decode on their own."""
    groups: list[list] = []
    for packet in packets:
        if packet.is_keyframe or not groups:
            groups.append([packet])
            continue
        # A frame shown before its keyframe may refer to the group before (open GOP): keep the two together.
        if len(groups) > 1 and packet.pts < groups[-1][0].pts:
            groups[-2:] = [groups[-2] + groups[-1]]
        groups[-1].append(packet)
    return groups


def _decode_group(codec, group: list, wanted: set[int]) -> dict:  # noqa: ANN001 (av is imported where it runs)
    """Return {time: frame} for the wanted times of a group, decoding no further than the last of them."""
    found = {}
    if not wanted:
        return found
    for packet in [*group, None]:
        for frame in codec.decode(packet):
            # Later frames are built on this one, and are not marked themselves.
            if frame.is_corrupt:
                raise DecodeError(f"PyAV: damaged frame at {frame.time:.3f} s")
            if frame.pts in wanted:
                found[frame.pts] = frame
        if len(found) == len(wanted):
            break
    codec.flush_buffers()
    return found


def _torchcodec() -> DecodeFrames:
    from torchcodec.decoders import VideoDecoder

    def frames(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=1)
            return decoder.get_frames_at(indices).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise DecodeError(f"torchcodec: {str(error).strip().partition(chr(10))[0]}") from error

    return frames


def _decord() -> DecodeFrames:
    import decord

    decord.logging.set_level(decord.logging.QUIET)

    def frames(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            reader = decord.VideoReader(io.BytesIO(data), num_threads=1)
            if indices[-1] >= len(reader):
                raise DecodeError(f"decord: frame {indices[-1]} of {len(reader)}")
            return _decord_in_order(reader, indices)
        except (decord.DECORDError, RuntimeError, StopIteration) as error:
            raise DecodeError(f"decord: {str(error).strip().partition(chr(10))[0]}") from error

    return frames


def _decord_in_order(reader, indices: list[int]) -> np.ndarray:  # noqa: ANN001
    """Return the frames without a seek or skip: decord 0.6 returns wrong frames after some (dmlc/decord#91, #252)."""
    wanted = set(indices)
    frames = (reader.next() for _ in range(indices[-1] + 1))
    return np.stack([frame.asnumpy() for index, frame in enumerate(frames) if index in wanted])


DECODERS: dict[str, Callable[[], DecodeFrames]] = {"pyav": _pyav, "torchcodec": _torchcodec, "decord": _decord}
_PACKAGES = {"pyav": "av", "torchcodec": "torchcodec", "decord": "decord"}
