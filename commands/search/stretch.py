"""A stretch that was found, cut out of its video: a small mp4 to play, and a strip of its frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from egocurate.commands.report.film_strip import strip_jpeg
from egocurate.loaders.frame_sampling import segments_middle
from egocurate.shards.profiles import H264, Profile
from egocurate.shards.video.cut import EncodedClip, Failure, cut_clips
from egocurate.shards.video.decode import decode_frames
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.training.search import Hit

FRAMES = 6  # of a strip
MOST_SEC = 20.0  # of a stretch that plays: the first of a longer one
PLAYED = Profile("search", short_side=240, fps=15, codec=H264(gop=30, crf=27, preset="veryfast", tune="", b_frames=2))


@dataclass(frozen=True)
class ShownStretch:
    """A stretch as an mp4 and as a strip of film, a JPEG; or why there is nothing to see."""

    mp4: bytes = b""
    strip: bytes = b""
    missing: str = ""


def show_stretches(hits: Iterable[Hit]) -> dict[Hit, ShownStretch]:
    """Cut each hit out of its video; each video is read once, however many hits it has."""
    of_video: dict[str, list[Hit]] = defaultdict(list)
    for hit in dict.fromkeys(hits):
        of_video[hit.path].append(hit)
    return {hit: shown for path, some in of_video.items() for hit, shown in _of_video(path, some)}


def _of_video(path: str, hits: list[Hit]) -> Iterator[tuple[Hit, ShownStretch]]:
    windows = [
        (str(place), hit.start_sec, min(hit.end_sec, hit.start_sec + MOST_SEC)) for place, hit in enumerate(hits)
    ]
    for key, clip in cut_clips(Path(path), windows, PLAYED):
        yield hits[int(key)], _shown(clip)


def _shown(clip: EncodedClip | Failure) -> ShownStretch:
    if isinstance(clip, Failure):
        return ShownStretch(missing=clip.reason)
    try:
        frames = decode_frames(clip.members[0], segments_middle(clip.frame_count, FRAMES))
    except DecodeError as error:
        return ShownStretch(missing=str(error))
    return ShownStretch(clip.members[0], strip_jpeg(frames))


def clock(seconds: float) -> str:
    """Return a time as 0:07.5 or 1:02:07.5."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"
