"""Which narrations are left out and why: a named mask for each reason. Light to import, for the command line.

A mask takes the frame that `curation.clips.selection` joins and returns bool[N], True = left out; an unknown size or
split leaves nothing out. Columns used: narration_time, words, unsure, video_dur, split, fho_multi, is_stereo, width,
height, redacted and scores_out (bool), and for the last two clip_start, clip_end, least_clip_sec. To add one, write it
here with one line that says what it takes out, and name it in FILTERS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Mask = Callable[[pd.DataFrame], np.ndarray]


def bad_time(frame: pd.DataFrame) -> np.ndarray:
    """Time is missing, not a number, or before the video."""
    time = frame["narration_time"].to_numpy()
    return ~((time >= 0) & (time < math.inf))


def no_video(frame: pd.DataFrame) -> np.ndarray:
    """Nothing tells how long the video is: not in the metadata and not on disk."""
    duration = frame["video_dur"].to_numpy()
    return ~((duration > 0) & (duration < math.inf))


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
    pictures = 1 + frame["is_stereo"].to_numpy(bool)
    return width > 2 * pictures * height


def empty(frame: pd.DataFrame) -> np.ndarray:
    """Text has no words."""
    return frame["words"].to_numpy() == 0


def min_words(frame: pd.DataFrame) -> np.ndarray:
    """Text has fewer than 3 words, the mark not counted (EgoVLP, B.1); a segment's may leave out who acts."""
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


def scores(frame: pd.DataFrame) -> np.ndarray:
    """Score that the data set gives is not known, or out of the range that was asked for."""
    return frame["scores_out"].to_numpy(bool)


def empty_window(frame: pd.DataFrame) -> np.ndarray:
    """Window is empty once it is clamped to the video."""
    return ~((frame["clip_end"] - frame["clip_start"]).to_numpy() > 0)


def min_clip_seconds(frame: pd.DataFrame) -> np.ndarray:
    """Clip is shorter than was asked for."""
    return (frame["clip_end"] - frame["clip_start"]).to_numpy() < frame["least_clip_sec"].to_numpy()


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
    "scores": scores,
}
WINDOW_FILTERS: dict[str, Mask] = {"empty_window": empty_window, "min_clip_seconds": min_clip_seconds}
"""Those that need the window."""

FILTERS = NARRATION_FILTERS | WINDOW_FILTERS
"""Every filter in the order in which they claim a narration; the first line of a mask's docstring is its help."""
