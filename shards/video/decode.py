"""Chosen frames of a stored clip in memory, by whichever decoder this machine has.

All decoders return bit-equal frames for H.264 4:2:0 clips, whatever color matrix and range they are tagged with
(tested). `auto` takes the first of `DECODERS` that loads: PyAV brings its own FFmpeg, is the fastest on short clips,
since it decodes only what a wanted frame is built on and keeps its decoder for the next clip, and reports much of the
damage that decord conceals.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from egocurate.errors import InputError
from egocurate.shards.video import decode_decord, decode_pyav, decode_torchcodec
from egocurate.shards.video.decoder_protocol import DecodeError, DecodeFrames, first_line
from egocurate.storage.open_video import container_of

Frames = TypeVar("Frames")  # an array or a tensor; its first dimension counts the frames


class Decoder(NamedTuple):
    """A decoder by the package that it needs; `load` raises ImportError, OSError or RuntimeError where it cannot."""

    package: str
    load: Callable[[], DecodeFrames]


DECODERS: dict[str, Decoder] = {
    "pyav": Decoder("av", decode_pyav.load),
    "torchcodec": Decoder("torchcodec", decode_torchcodec.load),
    "decord": Decoder("decord", decode_decord.load),
}


@dataclass(frozen=True)
class Loaded:
    """A decoder that loads, with its version as the note; or none, with the reason."""

    frames: DecodeFrames | None
    note: str


def decode_frames(data: bytes, indices: np.ndarray, decoder: str = "auto") -> np.ndarray:
    """Return the frames at indices int64[T] (any order, repeats too) of an mp4 or webm as uint8 [T, H, W, 3].

    Raises DecodeError if the clip does not open, is damaged or too short; InputError if no such decoder loads.
    """
    decode = load(first_loading(decoder)).frames
    if container_of(data) is None:  # decoders open playlists and the like as well, and what these name
        raise DecodeError("no mp4 or webm file")
    return frames_at(indices, lambda distinct: decode(data, distinct))


def frames_at(indices: np.ndarray, decode: Callable[[list[int]], Frames]) -> Frames:
    """Return frames at indices int64[T] in any order, repeats too, from what gives them ascending and distinct.

    Raises DecodeError for no index or a negative one, and if `decode` gives another number of frames.
    """
    distinct, place = np.unique(indices, return_inverse=True)
    if len(distinct) == 0 or distinct[0] < 0:
        raise DecodeError(f"frames {indices.tolist()} were asked for")
    frames = decode(distinct.tolist())
    if len(frames) != len(distinct):
        raise DecodeError(f"{len(frames)} of {len(distinct)} frames decode")
    # Mostly they are asked for in order: no copy then.
    return frames if np.array_equal(place, np.arange(len(distinct))) else frames[place]


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
    decoder = DECODERS[name]
    try:
        frames = decoder.load()
    # torchcodec raises RuntimeError, a missing or broken shared library OSError.
    except (ImportError, OSError, RuntimeError) as error:
        return Loaded(None, _why_not(decoder.package, error))
    return Loaded(frames, importlib.metadata.version(decoder.package))


def _why_not(package: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return "not installed"
    if "libavutil" in str(error):
        # Forty lines of loader errors, one for each FFmpeg release, all meaning this.
        return "needs FFmpeg's shared libraries (libavcodec and others, FFmpeg 4 to 8) on the library path"
    return first_line(error)
