"""From narrations and videos to the rows that become clips: join, filter, window, a reason for every row left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.clips.filters import (
    FILTERS,
    NARRATION_FILTERS,
    WINDOW_FILTERS,
    bad_time,
    beyond_video,
    no_video,
)
from egocurate.curation.clips.verb_durations import fitted
from egocurate.curation.clips.windows import clamp, clip_windows, mean_gap, mean_of_groups
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig
from egocurate.curation.text.marks import clean_text, is_unsure, word_count

if TYPE_CHECKING:
    from egocurate.curation.clips.filters import Mask

_BOUNDS = ("window_start", "window_end", "clip_start", "clip_end")
_TEXTS_AT_ONCE = 100_000
_NARRATION = ("video", "source", "narration_ind", "narration_time", "text")


@dataclass
class Narrated:
    """All narrations of a run, sorted by video, pass, time and position, with what the filters and windows need.

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


@dataclass
class Selection:
    """The rows that become clips, those that do not with their `reason`, and how many were left after each filter.

    clips and rejected have codes: rows of `videos`, `sources` and `texts`. gaps as in `Narrated`.
    """

    videos: list[str]
    sources: list[str]
    texts: pa.Array
    gaps: dict[str, float]
    clips: pd.DataFrame
    rejected: pd.DataFrame
    counts: dict[str, int]


def narrate(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoClipConfig) -> Narrated:
    """Join narrations with their videos, apply the narration filters and measure the gaps of every pass."""
    frame, uids, sources, texts = _join(narrations, videos)
    group = frame["video"].to_numpy() * max(len(sources), 1) + frame["source"].to_numpy()
    usable = ~bad_time(frame) & ~no_video(frame)
    if "beyond_video" in config.filters:
        usable &= ~beyond_video(frame)
    reason = first_reason(frame, NARRATION_FILTERS, config.filters)
    own = np.full(len(frame), np.nan)
    own[usable] = mean_gap(frame["narration_time"].to_numpy()[usable], group[usable])
    passing = reason == ""
    mean = mean_of_groups(own[passing], group[passing]) if config.mean_gap_sec is None else config.mean_gap_sec
    fallback = PUBLISHED_ALPHA if config.alpha == "auto" else float(config.alpha)
    alpha = fallback if config.alpha != "auto" or np.isnan(mean) else mean
    beta = np.where(usable & np.isnan(own), fallback if np.isnan(mean) else mean, own)
    gaps = _gaps(own[passing], group[passing], alpha)
    return Narrated(frame, uids, sources, texts, group, usable, beta, alpha, gaps, reason)


def windows(narrated: Narrated, name: str) -> pd.DataFrame:
    """Return window_start, window_end, clip_start, clip_end (clamped to the video) of every row; NaN if unusable."""
    use = narrated.usable
    time = narrated.frame["narration_time"].to_numpy()[use]
    verb = None
    if name == "adaptive":  # the one strategy that reads the text
        verb = fitted().relative(strings(narrated.texts))[narrated.frame["text"].to_numpy()[use]]
    start, end = clip_windows(name, time, narrated.group[use], narrated.beta[use], narrated.alpha, verb)
    bounds = (start, end, *clamp(start, end, narrated.frame["video_dur"].to_numpy()[use]))
    columns = {}
    for column, values in zip(_BOUNDS, bounds, strict=True):
        columns[column] = np.full(len(use), np.nan)
        columns[column][use] = to_micro(values)
    return pd.DataFrame(columns)


def to_micro(seconds: np.ndarray) -> np.ndarray:
    """Round to microseconds, as the published csv keeps times; never "-0.0"."""
    return seconds.round(6) + 0.0


def select_clips(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoClipConfig) -> Selection:
    """Decide for every narration whether it becomes a clip, and when that begins and ends."""
    narrated = narrate(narrations, videos, config)
    frame = pd.concat([narrated.frame, windows(narrated, config.window)], axis=1)
    reason = narrated.reason.copy()
    here = reason == ""
    with_least = frame.loc[here, list(_BOUNDS)].assign(least_clip_sec=config.min_clip_seconds)
    reason[here] = first_reason(with_least, WINDOW_FILTERS, config.filters)
    counts, left = {"narrations": len(frame)}, len(frame)
    for name in FILTERS:
        if name in config.filters:
            left -= int((reason == name).sum())
            counts[name] = left
    passing = reason == ""
    # Without what the filters read: these rows stay while the texts are tagged.
    clips = frame.loc[passing, [*_NARRATION, "video_dur", *_BOUNDS]].reset_index(drop=True)
    rejected = frame.loc[~passing, list(_NARRATION)].assign(reason=reason[~passing])
    return Selection(narrated.videos, narrated.sources, narrated.texts, narrated.gaps, clips, rejected, counts)


def first_reason(frame: pd.DataFrame, filters: Mapping[str, Mask], names: Sequence[str]) -> np.ndarray:
    """Return the first of `filters`, in their order, that is among `names` and takes a row out; "" if none does."""
    reason = np.full(len(frame), "", dtype=object)
    for name, mask in filters.items():
        if name in names:
            reason[(reason == "") & mask(frame)] = name
    return reason


def inside_intervals(
    time: np.ndarray, row: np.ndarray, intervals: Sequence[Sequence[tuple[float, float]]]
) -> np.ndarray:
    """Tell for each time whether it is inside an interval of its video, ends included.

    time float64[N] seconds, row int64[N] the video's place in `intervals` or -1; intervals may overlap, in any order.
    """
    inside = np.zeros(len(time), bool)
    listed = [i for i, spans in enumerate(intervals) if len(spans)]
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], listed, "left")
    last = np.searchsorted(row[order], listed, "right")
    for video, begin, end in zip(listed, first, last, strict=True):
        at = order[begin:end]
        for start, stop in intervals[video]:
            inside[at] |= (time[at] >= start) & (time[at] <= stop)
    return inside


def strings(texts: pa.Array) -> Iterator[str]:
    """Yield the texts of a column, of which a part at a time is Python's strings, twice the size of Arrow's."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        yield from texts.slice(start, _TEXTS_AT_ONCE).to_pylist()


def _cleaned(texts: pd.Index | np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """Clean texts; returns which of the distinct ones each is, and these in the order in which they come."""
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = [pa.array(map(clean_text, texts[at : at + _TEXTS_AT_ONCE]), pa.string()) for at in starts]
    cleaned = pa.chunked_array(parts, pa.string()).combine_chunks().dictionary_encode()
    return cleaned.indices.to_numpy(), cleaned.dictionary


def _join(narrations: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str], pa.Array]:
    video, uids = pd.factorize(narrations["video_uid"], sort=True)
    source, sources = pd.factorize(narrations["narration_source"], sort=True)
    index = narrations["narration_ind"].to_numpy(np.int64)
    time = narrations["narration_time"].to_numpy(np.float64)
    order = np.lexsort((index, time, source, video))
    raw, distinct = pd.factorize(narrations["narration_text"])
    text, texts = _cleaned(distinct)
    words = np.fromiter(map(word_count, strings(texts)), np.int64, len(texts))
    unsure = np.fromiter(map(is_unsure, strings(texts)), bool, len(texts))
    video, raw, time = video[order], raw[order], time[order]
    of = text[raw]
    place = pd.Index(videos["video_uid"]).get_indexer(pd.Index(uids))[video]
    frame = pd.DataFrame(
        {
            "video": video,
            "source": source[order],
            "narration_ind": index[order],
            "narration_time": time,
            "text": of,
            "words": words[of],
            "unsure": unsure[of],
            "video_dur": _facts(videos["video_dur"], place, np.nan),
            "split": _facts(videos["split"], place, ""),
            "fho_multi": _facts(videos["fho_multi"], place, False),
            "is_stereo": _facts(videos["is_stereo"], place, False),
            "width": _facts(videos["width"], place, 0),
            "height": _facts(videos["height"], place, 0),
            "redacted": inside_intervals(time, place, list(videos["redacted"])),
        }
    )
    return frame, list(uids), list(sources), texts


def _facts(column: pd.Series, place: np.ndarray, unknown: object) -> np.ndarray:
    """Look up a fact of each row's video; `place` is its row, -1 for a video that nobody knows."""
    values = column.to_numpy()
    return np.append(values, np.array([unknown], values.dtype))[place]


def _gaps(own: np.ndarray, group: np.ndarray, alpha: float) -> dict[str, float]:
    """Sum up the mean gaps of the passes that have clips, each pass once (seconds)."""
    _, first = np.unique(group, return_index=True)
    beta = own[first]
    known = beta[np.isfinite(beta)]
    stats = {"mean": known.mean(), "least": known.min(), "greatest": known.max()} if len(known) else {}
    return {
        "alpha": float(alpha),
        "passes": len(beta),
        "passes_without_gap": len(beta) - len(known),
        **{name: float(value) for name, value in stats.items()},
    }
