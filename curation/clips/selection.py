"""From narrations and videos to the rows that become clips: filter, window, a reason for every row left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.clips.coded_narrations import CodedNarrations, strings
from egocurate.curation.clips.filters import (
    FILTERS,
    NARRATION_FILTERS,
    WINDOW_FILTERS,
    bad_time,
    beyond_video,
    no_video,
)
from egocurate.curation.clips.verb_durations import fitted
from egocurate.curation.clips.windows import clamp, clip_windows, mean_gap
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig
from egocurate.curation.sources import SEGMENT_COLUMNS

if TYPE_CHECKING:
    from egocurate.curation.clips.filters import Mask

_BOUNDS = ("window_start", "window_end", "clip_start", "clip_end")
_NARRATION = ("video", "source", "narration_ind", "narration_time", "text")
_REASONS = np.array(["", *FILTERS], dtype=object)  # the narration filters first


@dataclass(frozen=True)
class Pace:
    """How fast a run is narrated, in seconds: alpha, the beta of a pass that has no gaps, and for the record `gaps`."""

    alpha: float
    without_gap: float
    gaps: dict[str, float]

    @classmethod
    def of(cls, beta: np.ndarray, config: EgoClipConfig) -> Pace:
        """Sum up the mean gap of each pass that has narrations to clip, float64[passes], NaN where it has none."""
        known = beta[np.isfinite(beta)]
        stats = {"mean": known.mean(), "least": known.min(), "greatest": known.max()} if len(known) else {}
        mean = stats.get("mean", np.nan) if config.mean_gap_sec is None else config.mean_gap_sec
        fallback = PUBLISHED_ALPHA if config.alpha == "auto" else float(config.alpha)
        alpha = fallback if config.alpha != "auto" or np.isnan(mean) else mean
        gaps = {
            "alpha": float(alpha),
            "passes": len(beta),
            "passes_without_gap": len(beta) - len(known),
            **{name: float(value) for name, value in stats.items()},
        }
        return cls(alpha, fallback if np.isnan(mean) else mean, gaps)


@dataclass
class Narrated:
    """Narrations sorted by video, pass, time and position, with what the filters and windows need.

    frame has codes instead of strings: `video`, `source` and `text` are rows of the lists and of the texts beside it.
    `group` numbers the passes. `reason` is the narration filter that takes a row out, "" if none does. `beta`
    float64[N] seconds is the mean gap of the pass over all its narrations with a usable time (whatever their text: it
    measures the annotator's pace), the mean of the run where a pass has none, NaN where the time is not usable.
    """

    frame: pd.DataFrame
    videos: list[str]
    sources: list[str]
    texts: pa.Array
    group: np.ndarray
    usable: np.ndarray
    beta: np.ndarray
    alpha: float
    gaps: dict[str, float]
    reason: np.ndarray


def narrate(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoClipConfig) -> Narrated:
    """Join narrations with their videos, apply the narration filters and measure the gaps of every pass."""
    coded = CodedNarrations(narrations, videos, config.score_ranges)
    reason, pace = _filter_narrations(coded, config)
    frame = coded.facts(coded.frame(slice(0, len(coded))))
    usable, beta = _usable_and_beta(frame, config, pace)
    names = coded.videos, coded.sources, coded.texts
    return Narrated(frame, *names, frame["group"].to_numpy(), usable, beta, pace.alpha, pace.gaps, _REASONS[reason])


def pace_of(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoClipConfig) -> Pace:
    """Return how fast a run is narrated, without more of it in memory than a block."""
    return _filter_narrations(CodedNarrations(narrations, videos, config.score_ranges), config)[1]


def windows(narrated: Narrated, name: str) -> pd.DataFrame:
    """Return window_start, window_end, clip_start, clip_end (clamped to the video) of every row; NaN if unusable."""
    frame = narrated.frame.assign(verb=_verbs(narrated.texts, name)[narrated.frame["text"].to_numpy()])
    return _windows(frame, name, narrated.usable, narrated.beta, narrated.alpha)


def to_micro(seconds: np.ndarray) -> np.ndarray:
    """Round to microseconds, as the published csv keeps times; never "-0.0"."""
    return seconds.round(6) + 0.0


class Selection:
    """Which narrations become clips: those rows, those that do not with their `reason`, and how many of either.

    Frames are made a block of videos at a time, in the order of the clips, and have codes: rows of `videos`, `sources`
    and `texts`. `counts` has the narrations left after each filter, `reasons` those that each took out, `is_used`
    bool[texts] the texts of clips, `is_clip` bool[N] the narrations, as they were read. gaps as in `Narrated`.
    """

    def __init__(self, coded: CodedNarrations, config: EgoClipConfig) -> None:
        """Decide for every narration."""
        self._coded, self._config = coded, config
        self.videos, self.sources, self.texts = coded.videos, coded.sources, coded.texts
        self._reason, self._pace = _filter_narrations(coded, config)
        self._verb = _verbs(coded.texts, config.window)
        self.gaps = self._pace.gaps
        self.is_used, has_clips = np.zeros(len(coded.texts), bool), np.zeros(len(coded.videos), bool)
        for block in coded.blocks:
            frame = self._with_windows(block, self._reason[block] == 0)
            with_least = frame.assign(least_clip_sec=config.min_clip_seconds)
            place = first_filter(with_least, WINDOW_FILTERS, config.filters)
            of_block = self._reason[block]
            of_block[of_block == 0] = np.where(place, place + len(NARRATION_FILTERS), 0)
            self.is_used[frame["text"][place == 0]] = True
            has_clips[frame["video"][place == 0]] = True
        self.is_clip = np.zeros(len(coded), bool)
        self.is_clip[coded.rows(self._reason == 0)] = True
        self.clip_count, self.video_count = int((self._reason == 0).sum()), int(has_clips.sum())
        self.counts, self.reasons = self._counted()

    @property
    def clips(self) -> pd.DataFrame:
        """All rows that become clips: the codes, narration_ind, narration_time, row, video_dur, the window's bounds."""
        return pd.concat(list(self.clip_blocks()), ignore_index=True)

    def clip_blocks(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of `clips`, block after block."""
        for block in self._coded.blocks:
            frame = self._with_windows(block, self._reason[block] == 0)
            yield frame[[*_NARRATION, "row", "video_dur", *_BOUNDS]].reset_index(drop=True)

    def rejected_blocks(self) -> Iterator[pd.DataFrame]:
        """Yield the rows that become no clips, with their reason, block after block."""
        for block in self._coded.blocks:
            reason = self._reason[block]
            frame = self._coded.frame(block).loc[reason > 0, list(_NARRATION)]
            yield frame.assign(reason=_REASONS[reason[reason > 0]])

    def _with_windows(self, block: slice, chosen: np.ndarray) -> pd.DataFrame:
        """Return the chosen rows of a block with their windows, which all rows of a pass decide."""
        frame = self._coded.frame(block)
        frame = frame.assign(verb=self._verb[frame["text"].to_numpy()])
        usable, beta = _usable_and_beta(frame, self._config, self._pace)
        bounds = _windows(frame, self._config.window, usable, beta, self._pace.alpha)
        return pd.concat([frame, as_published(bounds, frame)], axis=1)[chosen]

    def _counted(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many are left after each filter, and how many each took out, most first."""
        out = np.bincount(self._reason, minlength=len(_REASONS))
        counts, left = {"narrations": len(self._reason)}, len(self._reason)
        for code, name in enumerate(FILTERS, start=1):
            if name in self._config.filters:
                left -= int(out[code])
                counts[name] = left
        _, first = np.unique(self._reason, return_index=True)
        in_turn = [code for code in self._reason[np.sort(first)].tolist() if code]
        return counts, {_REASONS[code]: int(out[code]) for code in sorted(in_turn, key=lambda code: -out[code])}


def select_clips(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoClipConfig) -> Selection:
    """Decide for every narration whether it becomes a clip, and when that begins and ends."""
    return Selection(CodedNarrations(narrations, videos, config.score_ranges), config)


def as_published(bounds: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return windows, with those that are published segments exactly as they are: neither rounded nor clamped."""
    if not set(SEGMENT_COLUMNS) <= set(frame.columns):
        return bounds
    start, end = (frame[name].to_numpy() for name in SEGMENT_COLUMNS)
    is_given = np.isfinite(start) & np.isfinite(end)
    columns = dict(zip(_BOUNDS, (start, end, start, end), strict=True))
    return bounds.assign(**{name: np.where(is_given, columns[name], bounds[name]) for name in _BOUNDS})


def first_filter(frame: pd.DataFrame, filters: Mapping[str, Mask], names: Sequence[str]) -> np.ndarray:
    """Return the place, counted from 1, of the first of `filters` that is among `names` and takes a row out, uint8[N].

    0 is for a row that none takes out.
    """
    place = np.zeros(len(frame), np.uint8)
    for number, (name, mask) in enumerate(filters.items(), start=1):
        if name in names:
            place[(place == 0) & mask(frame)] = number
    return place


def _filter_narrations(coded: CodedNarrations, config: EgoClipConfig) -> tuple[np.ndarray, Pace]:
    """Return which narration filter takes each row out (`first_filter`), and the pace of those that are left."""
    reason, betas = np.zeros(len(coded), np.uint8), [np.zeros(0)]
    for block in coded.blocks:
        frame = coded.facts(coded.frame(block))
        reason[block] = first_filter(frame, NARRATION_FILTERS, config.filters)
        passing = reason[block] == 0
        own, group = _own_gaps(frame, config)[1][passing], frame["group"].to_numpy()[passing]
        betas.append(own[np.unique(group, return_index=True)[1]])
    return reason, Pace.of(np.concatenate(betas), config)


def _own_gaps(frame: pd.DataFrame, config: EgoClipConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return which times are usable, and the mean gap of each row's own pass, NaN without one or without a time."""
    usable = ~bad_time(frame) & ~no_video(frame)
    if "beyond_video" in config.filters:
        usable &= ~beyond_video(frame)
    own = np.full(len(frame), np.nan)
    own[usable] = mean_gap(frame["narration_time"].to_numpy()[usable], frame["group"].to_numpy()[usable])
    return usable, own


def _usable_and_beta(frame: pd.DataFrame, config: EgoClipConfig, pace: Pace) -> tuple[np.ndarray, np.ndarray]:
    usable, own = _own_gaps(frame, config)
    return usable, np.where(usable & np.isnan(own), pace.without_gap, own)


def _verbs(texts: pa.Array, name: str) -> np.ndarray:
    """Return how long the verb of each text takes, for the one strategy that reads the text; 1 for the others."""
    return fitted().relative(strings(texts)) if name == "adaptive" else np.broadcast_to(1.0, len(texts))


def _windows(frame: pd.DataFrame, name: str, usable: np.ndarray, beta: np.ndarray, alpha: float) -> pd.DataFrame:
    time, group = frame["narration_time"].to_numpy()[usable], frame["group"].to_numpy()[usable]
    start, end = clip_windows(name, time, group, beta[usable], alpha, frame["verb"].to_numpy()[usable])
    bounds = (start, end, *clamp(start, end, frame["video_dur"].to_numpy()[usable]))
    columns = {}
    for column, values in zip(_BOUNDS, bounds, strict=True):
        columns[column] = np.full(len(usable), np.nan)
        columns[column][usable] = to_micro(values)
    return pd.DataFrame(columns)
