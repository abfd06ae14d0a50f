"""A stretch of a video as a timeline: its narrations, the window of each strategy, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.commands.report.clips import with_usable_time
from egocurate.commands.report.left_out import ABOUT, seconds
from egocurate.curation.clips.verb_durations import fitted
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.curation.clips.windows import clamp, clip_windows, mean_gap

STRETCHES, NARRATIONS = 3, 10  # stretches drawn; narrations in each
WIDTH, LEFT, AXIS_HEIGHT, POINTS_HEIGHT, LANE_HEIGHT = 960, 110, 22, 46, 30  # units of the drawing
_BAR_HEIGHT = 10
SEGMENTS = "segments"
"""Instead of a strategy: clips have the start and end that the data give."""
_PASS = ["video_uid", "narration_source"]
_COLUMNS = [*_PASS, "narration_time", "clip_text"]


@dataclass(frozen=True)
class Pass:
    """The narrations of one annotator about one video, by time, N rows; `why` is "" for those that became clips.

    `cut` are the start and end of these, float64[N] each, NaN for the others.
    """

    video_uid: str
    source: str
    time: np.ndarray
    text: list[str]
    key: list[str]
    why: list[str]
    video_dur: float
    cut: tuple[np.ndarray, np.ndarray] | None = None

    def windows(self, gaps: Mapping[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return (start, end) float64[N] of each strategy, clamped to the video, as the run would have cut them.

        `gaps` are those of the run: alpha, and the mean gap of all passes, which serves a pass with no gap of its own.
        """
        group = np.zeros(len(self.time), np.int64)
        beta = mean_gap(self.time, group)
        beta = np.where(np.isnan(beta), gaps.get("mean", gaps["alpha"]), beta)
        verb = fitted().relative(self.text)
        ends = np.full(len(self.time), self.video_dur)
        return {name: clamp(*clip_windows(name, self.time, group, beta, gaps["alpha"], verb), ends) for name in WINDOWS}


@dataclass(frozen=True)
class Point:
    """A narration on the timeline: its number there, its place in the drawing, and what is said of it."""

    number: int
    x: float
    time: str
    text: str
    key: str
    why: str
    about: str


@dataclass(frozen=True)
class Window:
    """A clip's window in units of the drawing; `y` alternates, so that clips that overlap can be told apart."""

    x: float
    y: float
    width: float
    about: str


@dataclass(frozen=True)
class Lane:
    """The windows of one strategy; `used` marks the one that the run was made with."""

    name: str
    about: str
    y: float
    windows: list[Window]
    used: bool


@dataclass(frozen=True)
class Stretch:
    """A drawing, WIDTH x `height`, of some consecutive narrations of one pass."""

    video_uid: str
    source: str
    span: str
    points: list[Point]
    lanes: list[Lane]
    marks: list[tuple[float, str]]
    height: float


def stretches(
    table: pa.Table, rejected: pa.Table, window: str, gaps: Mapping[str, float], rng: np.random.Generator
) -> list[Stretch]:
    """Return stretches of passes drawn at random, those first in which a narration was left out for its own sake.

    `window` is the strategy of the run, or SEGMENTS.
    """
    timed = with_usable_time(rejected)
    drawn = []
    for one in _draw_passes(table, timed, rng):
        drawn.append(draw(one, window, gaps))
        if len(drawn) == STRETCHES:
            break
    return drawn


def read_pass(table: pa.Table, timed: pa.Table, video_uid: str, source: str) -> Pass:
    """Collect a pass from the clips and from the narrations with a usable time that were left out."""

    def of_pass(rows: pa.Table) -> pa.Table:
        here = pc.and_(pc.equal(rows["video_uid"], video_uid), pc.equal(rows["narration_source"], source))
        return rows.filter(here)

    clips, left_out = of_pass(table), of_pass(timed)
    time = np.r_[clips["narration_time"].to_numpy(), left_out["narration_time"].to_numpy()]
    order = np.argsort(time, kind="stable")
    keys = clips["key"].to_pylist() + [""] * left_out.num_rows
    none = np.full(left_out.num_rows, np.nan)
    texts = clips["clip_text"].to_pylist() + left_out["clip_text"].to_pylist()
    why = [""] * clips.num_rows + left_out["reason"].to_pylist()
    return Pass(
        video_uid,
        source,
        time[order],
        text=[texts[i] for i in order],
        key=[keys[i] for i in order],
        why=[why[i] for i in order],
        video_dur=clips["video_dur"][0].as_py(),
        cut=tuple(np.r_[clips[name].to_numpy(), none][order] for name in ("clip_start", "clip_end")),
    )


def draw(one: Pass, window: str, gaps: Mapping[str, float]) -> Stretch:
    """Draw NARRATIONS consecutive narrations of a pass: around the first that was left out, else its middle."""
    first = _first_of_stretch(one)
    rows = range(first, min(first + NARRATIONS, len(one.time)))
    windows = {SEGMENTS: one.cut} if window == SEGMENTS else one.windows(gaps)
    kept = [i for i in rows if not one.why[i]]
    used = windows[window]
    low = min([one.time[rows[0]], *(used[0][i] for i in kept)])
    high = max([one.time[rows[-1]], *(used[1][i] for i in kept)])
    margin = max((high - low) * 0.03, 0.2)
    low, high = max(low - margin, 0.0), high + margin
    scale = (WIDTH - LEFT - 10) / (high - low)

    def x(time: float) -> float:
        return float(LEFT + (np.clip(time, low, high) - low) * scale)

    points = [
        Point(
            number=i - first + 1,
            x=x(one.time[i]),
            time=seconds(one.time[i]),
            text=one.text[i],
            key=one.key[i],
            why=one.why[i],
            about=ABOUT.get(one.why[i], ""),
        )
        for i in rows
    ]
    lanes = []
    for place, (name, (start, end)) in enumerate(windows.items()):
        top = AXIS_HEIGHT + POINTS_HEIGHT + place * LANE_HEIGHT
        bars = [
            Window(
                x=x(start[i]),
                y=top + 3 + (n % 2) * (_BAR_HEIGHT + 2),
                width=max(x(end[i]) - x(start[i]), 1.5),
                about=f"{i - first + 1}: {start[i]:.2f} to {end[i]:.2f} s, {end[i] - start[i]:.2f} s long",
            )
            for n, i in enumerate(kept)
            if end[i] > start[i]  # a window that lies beyond the video is cut to nothing
        ]
        lanes.append(Lane(name, about_strategy(name), top, bars, used=name == window))
    marks = [(x(at), f"{at:g}") for at in _whole_seconds(low, high)]
    height = AXIS_HEIGHT + POINTS_HEIGHT + len(lanes) * LANE_HEIGHT + 4
    return Stretch(one.video_uid, one.source, f"{low:,.1f} to {high:,.1f} s", points, lanes, marks, height)


def about_strategy(name: str) -> str:
    """Return what a window strategy does, in a sentence."""
    return (WINDOWS[name].__doc__ or "").strip() if name in WINDOWS else "Start and end as the data give them."


def _draw_passes(table: pa.Table, timed: pa.Table, rng: np.random.Generator) -> Iterator[Pass]:
    names = table.group_by(_PASS).aggregate([]).to_pylist()
    with_lost = {tuple(row.values()) for row in timed.group_by(_PASS).aggregate([]).select(_PASS).to_pylist()}
    shuffled = [names[i] for i in rng.permutation(len(names))]
    shuffled.sort(key=lambda row: (row["video_uid"], row["narration_source"]) not in with_lost)
    for row in shuffled:
        yield read_pass(table, timed, row["video_uid"], row["narration_source"])


def _first_of_stretch(one: Pass) -> int:
    lost = next((i for i, why in enumerate(one.why) if why), None)
    middle = len(one.time) // 2 if lost is None else lost
    return int(np.clip(middle - NARRATIONS // 2, 0, max(len(one.time) - NARRATIONS, 0)))


def _whole_seconds(low: float, high: float) -> np.ndarray:
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300) if (high - low) / step <= 14), 600)
    return np.arange(np.ceil(low / step) * step, high, step)
