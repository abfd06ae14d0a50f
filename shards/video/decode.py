"""Chosen frames of a clip in memory, by whichever decoder is there.

The three return bit-equal frames for H.264 4:2:0 clips, whatever color matrix and range they are tagged with (tested).
`auto` takes the first that loads, in the order of `DECODERS`: PyAV brings its own FFmpeg, is the fastest on short
clips, since it decodes only what a wanted frame is built on and keeps its decoder for the next clip, and tells much of
the damage that decord conceals.
"""

import importlib.metadata
import io
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from egocurate.errors import InputError
from egocurate.shards.video.h264 import is_idr, is_referred_to, length_size

DecodeFrames = Callable[[bytes, list[int]], np.ndarray]
"""(file, ascending distinct indices) -> uint8 [T, H, W, 3]"""

KEPT_DECODERS = 8


class DecodeError(Exception):
    """A clip whose bytes do not hold the frames they should; `str()` is one line."""


@dataclass(frozen=True)
class Loaded:
    """A decoder that loads, or the reason why it does not."""

    frames: DecodeFrames | None
    note: str


def decode(data: bytes, indices: np.ndarray, decoder: str = "auto", device: str = "cpu") -> torch.Tensor:
    """Return the frames at indices int64[T] (any order, repeats too) as uint8 [T, 3, H, W], channels last in memory.

    With device="cuda" the GPU's own decoder (NVDEC, by torchcodec) decodes, and the frames stay there; its colors may
    be some levels from the host's. A clip that it does not decode is decoded on the host, with a warning that says why.
    Raises DecodeError if the clip does not open, is damaged or too short; InputError if no such decoder loads.
    """
    frames = load(first_loading(decoder)).frames
    distinct, place = np.unique(indices, return_inverse=True)
    if len(distinct) == 0 or distinct[0] < 0:
        raise DecodeError(f"frames {indices.tolist()} were asked for")
    if torch.device(device).type == "cuda":
        decoded = _gpu_first(data, distinct.tolist(), frames, device)
    else:
        decoded = torch.from_numpy(frames(data, distinct.tolist()))
    if len(decoded) != len(distinct):
        raise DecodeError(f"{len(decoded)} of {len(distinct)} frames decode")
    if not np.array_equal(place, np.arange(len(distinct))):
        decoded = decoded[torch.from_numpy(place).to(decoded.device)]
    return decoded.permute(0, 3, 1, 2)


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
    from av.video.reformatter import VideoReformatter

    av.logging.set_level(av.logging.PANIC)  # its lines do not say which clip; DecodeError does
    # A new decoder pays for its picture buffers again, a tenth of the time: each thread keeps those of a few layouts.
    kept = threading.local()

    def frames(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            # Opening would decode the first frame, to learn what the decoder learns for itself: a sixth of the time.
            with av.open(io.BytesIO(data), format="mp4", options={"skip_frame": "all"}) as container:
                stream = container.streams.video[0]
                packets = [packet for packet in container.demux(stream) if packet.size]
                times = sorted(packet.pts for packet in packets if not packet.is_discard)
                place = {times[index]: number for number, index in enumerate(indices)}
                with _decoder(kept, stream.codec_context) as codec:
                    # One of its own for each clip: a converter is bound to a size.
                    converter = VideoReformatter()
                    found = _wanted_frames(codec, packets, place.keys())
                    return _in_place(((f.pts, converter.reformat(f, format="rgb24")) for f in found), place)
        # IndexError: no video stream or too few packets; TypeError: no times; ValueError: frames of several sizes.
        except (av.error.FFmpegError, IndexError, TypeError, ValueError) as error:
            raise DecodeError(f"PyAV: {str(error) or type(error).__name__}") from error

    return frames


@contextmanager
def _decoder(kept: threading.local, theirs) -> Iterator:  # noqa: ANN001 (av is imported where it runs)
    """Lend this thread's decoder for streams like `theirs`; one that met an error is not lent again."""
    import av

    decoders = kept.__dict__.setdefault("decoders", OrderedDict())
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


def _in_place(frames: Iterator, place: dict[int, int]) -> np.ndarray:
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


def _wanted_frames(codec, packets: list, wanted: Set[int]) -> Iterator:  # noqa: ANN001
    """Yield the frames of the wanted times, decoding of each group no more than it takes."""
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


def _torchcodec() -> DecodeFrames:
    from torchcodec.decoders import VideoDecoder

    def frames(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=1)
            return decoder.get_frames_at(indices).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise DecodeError(f"torchcodec: {str(error).strip().partition(chr(10))[0]}") from error

    return frames


def _gpu_first(data: bytes, indices: list[int], host: DecodeFrames, device: str) -> torch.Tensor:
    decoded = _by_nvdec(data, indices, device)
    if isinstance(decoded, torch.Tensor):
        return decoded
    on_host = torch.from_numpy(host(data, indices))
    warnings.warn(f"the GPU does not decode, the host does ({decoded})", stacklevel=3)
    return on_host.to(device) if torch.cuda.is_available() else on_host


def _by_nvdec(data: bytes, indices: list[int], device: str) -> torch.Tensor | str:
    """Return the frames at ascending distinct indices as uint8 [T, H, W, 3] on a GPU, or in a line why not."""
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    torchcodec = load("torchcodec")
    if torchcodec.frames is None:
        return f"torchcodec: {torchcodec.note}"
    from torchcodec.decoders import VideoDecoder

    try:
        return VideoDecoder(data, dimension_order="NHWC", device=device).get_frames_at(indices).data
    except (RuntimeError, ValueError, IndexError) as error:
        return f"torchcodec: {str(error).strip().partition(chr(10))[0]}"


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
