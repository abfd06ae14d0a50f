"""Cut clips out of one video in a single pass: every frame is decoded at most once, however many clips hold it."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from shards.encode import ClipEncoder
from shards.picker import FramePicker, Window
from shards.profiles import Profile
from shards.scale import FrameScaler
from shards.video import BrokenStretch, Video


@dataclass(frozen=True)
class EncodedClip:
    """A clip as it is stored: an mp4 file of `frame_count` frames, frame n at n / `fps` seconds."""

    data: bytes
    frame_count: int
    fps: float
    width: int
    height: int

    def __repr__(self) -> str:
        """Show sizes, not bytes."""
        shape = f"{self.frame_count} frames {self.width}x{self.height} at {self.fps:g}/s"
        return f"EncodedClip({shape}, {len(self.data)} bytes)"


@dataclass(frozen=True)
class Failure:
    """Why a clip could not be cut; `reason` is one of a few fixed texts, `detail` what the decoder said."""

    reason: str
    detail: str = ""


@dataclass
class _OpenClip:
    key: str
    picker: FramePicker
    # On screen at the window's start: what the clip holds if no frame lies in the window.
    at_start: tuple[Fraction, av.VideoFrame] | None = None
    encoder: ClipEncoder | None = None

    @property
    def window(self) -> Window:
        return self.picker.window


def cut_clips(
    video: Path, windows: Sequence[tuple[str, float, float]], profile: Profile, *, left_half: bool = False
) -> Iterator[tuple[str, EncodedClip | Failure]]:
    """Cut (key, start, end) windows, in seconds, out of a video; yields each key once, as soon as its clip is whole.

    A clip holds the frames that `picker.pick_frames` names, scaled by the profile. What cannot be cut is yielded as a
    Failure; the other clips are cut all the same.
    """
    clips = [_OpenClip(key, FramePicker(Window.of(start, end, profile.fps))) for key, start, end in windows]
    clips.sort(key=lambda clip: clip.window.start)
    try:
        source = Video(Path(video))
    except FileNotFoundError:
        yield from ((clip.key, Failure("video not on disk", str(video))) for clip in clips)
    except (OSError, av.error.FFmpegError) as error:
        yield from ((clip.key, Failure("cannot open", str(error))) for clip in clips)
    else:
        with source:
            yield from _Cutter(source, profile, left_half).run(clips)


class _Cutter:
    """Feeds the frames of one video to the clips that are open at each moment."""

    def __init__(self, source: Video, profile: Profile, left_half: bool) -> None:
        self.source, self.profile = source, profile
        self.rate = profile.stored_rate(source.rate).limit_denominator(1_000_000)
        self.scaler = FrameScaler(profile, left_half=left_half)
        self.open: list[_OpenClip] = []
        self.previous: tuple[Fraction, av.VideoFrame] | None = None

    def run(self, clips: list[_OpenClip]) -> Iterator[tuple[str, EncodedClip | Failure]]:
        waiting = deque(clips)
        aim: Fraction | None = None
        while waiting or self.open:
            try:
                if not self.open and waiting[0].window.start != aim:
                    aim = waiting[0].window.start
                    self.source.skip_to(aim)
                shown = self.source.read()
            except BrokenStretch as stretch:
                yield from self._give_up(waiting, stretch)
                continue
            if shown is None:
                break
            yield from self._show(*shown, waiting)
            self.previous = shown
        for clip in waiting:
            if self.previous is not None and clip.window.start < self.source.end:
                clip.at_start = self.previous
        yield from ((clip.key, self._close(clip)) for clip in [*self.open, *waiting])

    def _show(
        self, time: Fraction, frame: av.VideoFrame, waiting: deque[_OpenClip]
    ) -> Iterator[tuple[str, EncodedClip | Failure]]:
        while waiting and waiting[0].window.start <= time:
            clip = waiting.popleft()
            clip.at_start = (time, frame) if clip.window.start == time else self.previous
            self.open.append(clip)
        scaled: av.VideoFrame | None = None
        still_open = []
        for clip in self.open:
            if clip.picker.takes(time):
                scaled = scaled or self._scale(frame)
                self._encoder(clip, scaled).add(scaled)
            if clip.picker.done or time >= clip.window.end:
                yield clip.key, self._close(clip)
            else:
                still_open.append(clip)
        self.open = still_open

    def _give_up(self, waiting: deque[_OpenClip], stretch: BrokenStretch) -> Iterator[tuple[str, Failure]]:
        """End the clips that reach into a broken stretch: those open, and those that begin before it ends."""
        lost, self.open = self.open, []
        while waiting and (stretch.until is None or waiting[0].window.start < stretch.until):
            lost.append(waiting.popleft())
        self.previous = None
        yield from ((clip.key, Failure("decode error", str(stretch))) for clip in lost)

    def _scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        return self.scaler.scale(frame, self.source.pixel_aspect)

    def _encoder(self, clip: _OpenClip, scaled: av.VideoFrame) -> ClipEncoder:
        if clip.encoder is None:
            clip.encoder = ClipEncoder(scaled.width, scaled.height, self.rate, self.profile)
        return clip.encoder

    def _close(self, clip: _OpenClip) -> EncodedClip | Failure:
        if clip.encoder is None:
            if clip.at_start is None:
                window = clip.window
                return Failure("no frames in window", f"{float(window.start):.6f} to {float(window.end):.6f} s")
            scaled = self._scale(clip.at_start[1])
            self._encoder(clip, scaled).add(scaled)
        encoder = clip.encoder
        return EncodedClip(encoder.finish(), encoder.frame_count, float(self.rate), *encoder.size)
