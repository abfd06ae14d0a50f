"""Which narrations are left out and why: one named mask per reason over the frame that `curation.clips.egoclip` joins.

Columns used: narration_time, words, unsure, video_dur, split, fho_multi, is_stereo, width, height, redacted (bool), and
for the last two clip_start, clip_end. A mask is bool[N], True = left out; an unknown size or split leaves nothing out.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

Mask = Callable[[pd.DataFrame], np.ndarray]


def bad_time(frame: pd.DataFrame) -> np.ndarray:
    """Time is missing, not a number, or before the video."""
    time = frame["narration_time"].to_numpy()
    return ~(np.isfinite(time) & (time >= 0))


def no_video(frame: pd.DataFrame) -> np.ndarray:
    """Nothing tells how long the video is: not in the metadata and not on disk."""
    duration = frame["video_dur"].to_numpy()
    return ~(np.isfinite(duration) & (duration > 0))


def val_test(frame: pd.DataFrame) -> np.ndarray:
    """Video belongs to the val or test set of a benchmark."""
    return frame["split"].isin(["val", "test"]).to_numpy(bool)


def fho_multi(frame: pd.DataFrame) -> np.ndarray:
    """Hand-object clips of the video are split over train, val and test."""
    return frame["fho_multi"].to_numpy(bool)


def stereo(frame: pd.DataFrame) -> np.ndarray:
    """Video shows two pictures side by side."""
    return frame["is_stereo"].to_numpy(bool)


def wide(frame: pd.DataFrame) -> np.ndarray:
    """Picture is more than twice as wide as high; of a stereo video one half is judged."""
    width, height = frame["width"].to_numpy(float), frame["height"].to_numpy(float)
    return np.where(frame["is_stereo"].to_numpy(bool), width / 2, width) > 2 * height


def empty(frame: pd.DataFrame) -> np.ndarray:
    """Text has no words."""
    return frame["words"].to_numpy() == 0


def min_words(frame: pd.DataFrame) -> np.ndarray:
    """Text has fewer than 3 words, the mark not counted (EgoVLP, supplement B.1)."""
    return frame["words"].to_numpy() < 3


def unsure(frame: pd.DataFrame) -> np.ndarray:
    """Annotator marked the text as unsure."""
    return frame["unsure"].to_numpy(bool)


def beyond_video(frame: pd.DataFrame) -> np.ndarray:
    """Time is after the end of the video."""
    return frame["narration_time"].to_numpy() > frame["video_dur"].to_numpy()


def redacted(frame: pd.DataFrame) -> np.ndarray:
    """Time is inside a stretch that was blanked."""
    return frame["redacted"].to_numpy(bool)


NARRATION_FILTERS: dict[str, Mask] = {
    "bad_time": bad_time,
    "no_video": no_video,
    "val_test": val_test,
    "fho_multi": fho_multi,
    "stereo": stereo,
    "wide": wide,
    "empty": empty,
    "min_words": min_words,
    "unsure": unsure,
    "beyond_video": beyond_video,
    "redacted": redacted,
}


def window_filters(min_clip_seconds: float) -> dict[str, Mask]:
    """Return the filters that need the clamped window: it is empty, or shorter than asked for (seconds)."""

    def length(frame: pd.DataFrame) -> np.ndarray:
        return (frame["clip_end"] - frame["clip_start"]).to_numpy()

    return {
        "empty_window": lambda frame: ~(length(frame) > 0),
        "min_clip_seconds": lambda frame: length(frame) < min_clip_seconds,
    }


def first_reason(frame: pd.DataFrame, filters: dict[str, Mask], names: Sequence[str]) -> np.ndarray:
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
