"""Cut clips out of one video in a single pass: every frame is decoded at most once, however many clips hold it.

Tasks that cut other clips of the same video decode it anew: at a border between two tasks at most the group of pictures
in which the later one's first clip begins, and the stretch where clips of both overlap are decoded twice.

Memory does not grow with the video or with the clips that overlap. The frames of a clip wait, shared with the other
clips that hold them, until it is whole, and it is encoded in one go. Past HELD_BYTES of waiting frames a few clips are
encoded as their frames come, and the others that are open are left to another pass.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av

from egocurate.shards.profiles import Profile
from egocurate.shards.shard_format import VIDEO_NOT_ON_DISK
from egocurate.shards.video.clip_frames import FramePicker, FrameWindow
from egocurate.shards.video.cut_stats import CutStats
from egocurate.shards.video.encode_mp4 import ClipEncoder, clip_encoder
from egocurate.shards.video.reader import BrokenStretch, VideoReader
from egocurate.shards.video.scaler import FrameScaler
from egocurate.storage.paths import AnyPath

HELD_BYTES = 192 << 20
ENCODERS_PAST_THAT = 8


ClipWindow = tuple[str, float, float]
"""(key, start, end) of a clip to cut, in seconds"""


@dataclass(frozen=True)
class EncodedClip:
    """A clip as it is stored: one mp4 file or a picture for each of `frame_count` frames, frame n at n / `fps` s."""

    members: tuple[bytes, ...]
    frame_count: int
    fps: float
    width: int
    height: int

    def __repr__(self) -> str:
        """Show sizes, not bytes."""
        shape = f"{self.frame_count} frames {self.width}x{self.height} at {self.fps:g}/s"
        return f"EncodedClip({shape}, {sum(map(len, self.members))} bytes)"


@dataclass(frozen=True)
class Failure:
    """Why a clip could not be cut; `reason` is one of a few fixed texts, `detail` what the decoder said."""

    reason: str
    detail: str = ""


@dataclass
class _OpenClip:
    key: str
    window: FrameWindow
    picker: FramePicker
    # On screen at the window's start: what the clip holds if no frame lies in the window.
    at_start: av.VideoFrame | None = None
    # Frames that wait for the encoder, which is opened when the clip is whole or when too many wait.
    frames: list[av.VideoFrame] = field(default_factory=list)
    encoder: ClipEncoder | None = None

    @classmethod
    def of(cls, key: str, window: FrameWindow) -> "_OpenClip":
        return cls(key, window, FramePicker(window))


def cut_clips(
    video: AnyPath,
    windows: Sequence[ClipWindow],
    profile: Profile,
    *,
    left_half: bool = False,
    on_frame: Callable[[], None] = lambda: None,
    stats: CutStats | None = None,
) -> Iterator[tuple[str, EncodedClip | Failure]]:
    """Cut windows out of a video; yields each key once, as soon as its clip is whole.

    A clip holds the frames that `clip_frames.pick_frames` names, scaled by the profile. What cannot be cut is yielded
    as a Failure; the other clips are cut all the same. `on_frame` is called for every frame that was decoded, and
    `stats` counts them.
    """
    clips = [_OpenClip.of(key, FrameWindow.of(start, end, profile.fps)) for key, start, end in windows]
    clips.sort(key=lambda clip: clip.window.start)
    stats = CutStats() if stats is None else stats
    while clips:
        try:
            source = VideoReader(video, stats)
        except FileNotFoundError:
            yield from ((clip.key, Failure(VIDEO_NOT_ON_DISK, str(video))) for clip in clips)
            return
        except (OSError, av.error.FFmpegError) as error:
            yield from ((clip.key, Failure("cannot open", str(error))) for clip in clips)
            return
        with source:
            cutter = _Cutter(source, FrameScaler(profile, left_half=left_half), profile, stats)
            # Nothing here may keep a clip alive once the cutter is done with it: its frames are megabytes.
            waiting, clips = deque(clips), []
            yield from cutter.run(waiting, on_frame)
        clips = cutter.left


class _Cutter:
    """Feeds the frames of one video to the clips that are open at each moment."""

    def __init__(self, source: VideoReader, scaler: FrameScaler, profile: Profile, stats: CutStats) -> None:
        self.source, self.scaler, self.profile, self.stats = source, scaler, profile, stats
        self.rate = profile.stored_rate(source.rate).limit_denominator(1_000_000)
        self.waiting: deque[_OpenClip] = deque()
        self.open: list[_OpenClip] = []
        self.left: list[_OpenClip] = []
        self.previous: av.VideoFrame | None = None
        source.needed = self._needs

    def run(
        self, waiting: deque[_OpenClip], on_frame: Callable[[], None]
    ) -> Iterator[tuple[str, EncodedClip | Failure]]:
        self.waiting = waiting
        aim: Fraction | None = None
        while self.waiting or self.open:
            try:
                if not self.open and self.waiting[0].window.start != aim:
                    aim = self.waiting[0].window.start
                    if self.source.skip_to(aim):
                        self.previous = None
                frame = self.source.read()
                on_frame()
            except BrokenStretch as stretch:
                yield from self._give_up(stretch)
                continue
            if frame is None:
                break
            yield from self._deal(*frame)
            self.previous = frame[1]
        for clip in self.waiting:
            if self.previous is not None and clip.window.start < self.source.end:
                clip.at_start = self.previous
        yield from ((clip.key, self._close(clip)) for clip in [*self.open, *self.waiting])

    def _needs(self, before: Fraction, time: Fraction, after: Fraction) -> bool:
        """Tell whether some clip that is not whole yet holds the frame at `time`."""
        for clip in chain(self.open, self.waiting):
            if clip.window.start >= after:
                return False
            if clip.window.holds(before, time, after):
                return True
        return False

    def _deal(self, time: Fraction, frame: av.VideoFrame) -> Iterator[tuple[str, EncodedClip | Failure]]:
        """Give a frame to the clips that hold it, and yield those that are whole now."""
        while self.waiting and self.waiting[0].window.start <= time:
            clip = self.waiting.popleft()
            clip.at_start = frame if clip.window.start == time else self.previous
            self.open.append(clip)
        scaled: av.VideoFrame | None = None
        still_open = []
        for clip in self.open:
            if clip.picker.accepts(time):
                scaled = scaled or self._scale(frame)
                self._add(clip, scaled)
            if clip.picker.done or time >= clip.window.end:
                yield clip.key, self._close(clip)
            else:
                still_open.append(clip)
        self.open = still_open
        if scaled is not None:
            self._limit_memory(scaled)

    def _add(self, clip: _OpenClip, scaled: av.VideoFrame) -> None:
        clip.at_start = None
        if clip.encoder is None:
            clip.frames.append(scaled)
        else:
            clip.encoder.add(scaled)

    def _limit_memory(self, scaled: av.VideoFrame) -> None:
        """Past HELD_BYTES, encode what waits for a few clips and leave the other open ones to another pass."""
        size = sum(plane.buffer_size for plane in scaled.planes)
        if sum(len(clip.frames) for clip in self.open) * size <= HELD_BYTES:
            return
        if len({id(frame) for clip in self.open for frame in clip.frames}) * size <= HELD_BYTES:
            return
        for clip in self.open[:ENCODERS_PAST_THAT]:
            self._encode_waiting(clip)
        self.left += [_OpenClip.of(clip.key, clip.window) for clip in self.open[ENCODERS_PAST_THAT:]]
        del self.open[ENCODERS_PAST_THAT:]

    def _give_up(self, stretch: BrokenStretch) -> Iterator[tuple[str, Failure]]:
        """End the clips that reach into a broken stretch: those open, and those that begin before it ends."""
        lost, self.open = self.open, []
        while self.waiting and (stretch.until is None or self.waiting[0].window.start < stretch.until):
            lost.append(self.waiting.popleft())
        self.previous = None
        yield from ((clip.key, Failure("decode error", str(stretch))) for clip in lost)

    def _scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        self.stats.used += 1
        return self.scaler.scale(frame, self.source.pixel_aspect)

    def _close(self, clip: _OpenClip) -> EncodedClip | Failure:
        if clip.encoder is None and not clip.frames:
            if clip.at_start is None:
                window = clip.window
                return Failure("no frames in window", f"{float(window.start):.6f} to {float(window.end):.6f} s")
            self._add(clip, self._scale(clip.at_start))
        # The clip may be kept alive for a while yet, and an encoder is megabytes.
        encoder, clip.encoder = self._encode_waiting(clip), None
        return EncodedClip(encoder.finish(), encoder.frame_count, float(self.rate), *self.scaler.size)

    def _encode_waiting(self, clip: _OpenClip) -> ClipEncoder:
        if clip.encoder is None:
            clip.encoder = clip_encoder(*self.scaler.size, self.rate, self.profile)
        for frame in clip.frames:
            clip.encoder.add(frame)
        clip.frames.clear()
        return clip.encoder
