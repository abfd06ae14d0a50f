"""Stretches of a video as an evaluation would show them had they been cut into shards: pixel by pixel the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import torch

from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import as_tensor
from egocurate.loaders.frame_sampling import segments_middle
from egocurate.shards.profiles import profile as profile_of
from egocurate.shards.shard_format import VIDEO_KINDS
from egocurate.shards.video.cut import EncodedClip, Failure, cut_clips
from egocurate.shards.video.decode import decode_frames, frames_at
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError, first_line
from egocurate.shards.video.reader import VideoReader

Stretch = tuple[float, float]
"""(start, end) in seconds"""


def length_sec(path: Path) -> float:
    """Return the seconds of a video by its header; raises InputError if it cannot be opened or does not say."""
    try:
        with VideoReader(path) as video:
            seconds = float(video.seconds)
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(f"{path}: cannot open it as a video ({first_line(error)})") from error
    if seconds <= 0:
        raise InputError(f"{path}: its header has no length; say with end_sec where to stop")
    return seconds


def stretches_of_video(
    path: Path, stretches: Sequence[Stretch], *, frames: int, size: int, profile: str = "train"
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield (place, uint8 [T, 3, size, size]) for each stretch, as soon as the video has been read that far.

    Each is cut and stored by the profile, in memory, and decoded again, so that a model sees what it was trained on.
    Raises InputError for a stretch that ends before it starts, or of which the video has no frame.
    """
    for place, shown in shown_or_why_not(path, stretches, frames=frames, size=size, profile=profile):
        if isinstance(shown, str):
            start, end = stretches[place]
            raise InputError(f"{path}, {start} to {end} s: {shown}")
        yield place, shown


def shown_or_why_not(
    path: Path, stretches: Sequence[Stretch], *, frames: int, size: int, profile: str = "train"
) -> Iterator[tuple[int, torch.Tensor | str]]:
    """Yield what `stretches_of_video` does, and for a stretch that cannot be had the reason, on one line.

    Raises InputError for a stretch that ends before it starts.
    """
    for start, end in stretches:
        if not 0 <= start < end:
            raise InputError(f"{path}: a stretch from {start} to {end} s; give 0 <= start < end")
    stored = profile_of(profile)
    windows = [(str(place), float(start), float(end)) for place, (start, end) in enumerate(stretches)]
    for key, clip in cut_clips(path, windows, stored):
        if isinstance(clip, Failure):
            yield int(key), f"{clip.reason} ({' '.join(clip.detail.split()) or 'nothing more is known'})"
            continue
        try:
            pixels = _shown(clip, stored.codec.members, frames)
        except DecodeError as error:
            yield int(key), first_line(error)
            continue
        yield int(key), crop_and_resize(pixels, center_view(*pixels.shape[-2:]), size)


def _shown(clip: EncodedClip, members: str, frames: int) -> torch.Tensor:
    """Return the middle frames of T equal parts of a stored clip as uint8 [T, 3, H, W]."""
    indices = segments_middle(clip.frame_count, frames)
    if members in VIDEO_KINDS:
        return as_tensor(decode_frames(clip.members[0], indices))
    return as_tensor(frames_at(indices, lambda distinct: decode_pictures([clip.members[i] for i in distinct])))
