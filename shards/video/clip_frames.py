"""Which source frames a clip holds: a rule over frame times, as a function and for frames that stream by.

A clip is a window [start, end) and a rate. Its instants are start + i / fps < end (every frame where fps is None).
It holds, for each instant, the first frame at or after it that lies in the window, and no frame twice. Where no frame
lies in the window (it is shorter than a frame, or the source pauses) it holds the frame on screen at `start`.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

MICROSECONDS_PER_SECOND = 1_000_000


def microseconds(seconds: float) -> int:
    """Return the whole microsecond at or before `seconds`, so that a window that starts on a frame still holds it."""
    return math.floor(seconds * MICROSECONDS_PER_SECOND)


@dataclass(frozen=True)
class FrameWindow:
    """A stretch [start, end) of exact seconds, and the instants per second wanted of it."""

    start: Fraction
    end: Fraction
    fps: Fraction | None

    @classmethod
    def of(cls, start: float, end: float, fps: int | None) -> "FrameWindow":
        """Build a window from seconds, cut to whole microseconds."""
        first, last = (Fraction(microseconds(time), MICROSECONDS_PER_SECOND) for time in (start, end))
        return cls(first, last, None if fps is None else Fraction(fps))

    def holds(self, before: Fraction, time: Fraction, after: Fraction) -> bool:
        """Tell whether the clip holds the frame at `time`, given the times of those right before and after it."""
        if self.start <= time < self.end:
            return self.fps is None or self.start + self._instants_passed(time) / self.fps > before
        return time <= self.start < after and self.end <= after

    def next_instant(self, time: Fraction) -> Fraction:
        """Return the first instant after `time`, a time in the window; with no rate every time is one."""
        return time if self.fps is None else self.start + (self._instants_passed(time) + 1) / self.fps

    def _instants_passed(self, time: Fraction) -> int:
        return math.floor((time - self.start) * self.fps)


def pick_frames(times: Sequence[Fraction], video_end: Fraction, window: FrameWindow) -> list[int]:
    """Return the ascending indices of a clip's frames; `times` ascend, `video_end` is the end of the last one."""
    first, last = bisect_left(times, window.start), bisect_left(times, window.end)
    if first < last:
        if window.fps is None:
            return list(range(first, last))
        count = math.ceil((window.end - window.start) * window.fps)
        at_or_after = (bisect_left(times, window.start + i / window.fps) for i in range(count))
        return sorted({index for index in at_or_after if index < last})
    on_screen = bisect_right(times, window.start) - 1
    left = video_end if on_screen == len(times) - 1 else times[on_screen + 1]
    return [on_screen] if on_screen >= 0 and window.start < left else []


class FramePicker:
    """Chooses the frames inside one window as they stream by in ascending time."""

    def __init__(self, window: FrameWindow) -> None:
        """Start before the window's first instant."""
        self.window = window
        self.next_instant = window.start

    @property
    def done(self) -> bool:
        """Whether no later frame can be wanted."""
        return self.next_instant >= self.window.end

    def accepts(self, time: Fraction) -> bool:
        """Tell whether the clip holds the frame at `time`, and move on past it."""
        window = self.window
        if not self.next_instant <= time < window.end:
            return False
        self.next_instant = window.next_instant(time)
        return True
