"""Where narrations and videos come from; each module of this package reads one kind of data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

NARRATION_COLUMNS = ("video_uid", "narration_source", "narration_ind", "narration_time", "narration_text")
"""Columns of `Source.narrations`."""

SEGMENT_COLUMNS = ("start_sec", "end_sec")
"""Further columns of `Source.narrations`: where a clip begins and ends, NaN where the window strategy decides."""

CAPTION_COLUMNS = ("kind", "captions", "caption_weights")
"""Further columns of `Source.narrations`: who wrote the texts (a CAPTION_KIND), further texts, weights of all."""

SPLIT_COLUMN = "split"
"""A further column of `Source.narrations`: train, val, test or nothing, where segments have splits of their own."""

SCORE_PREFIX = "score_"
"""What the name of a further column of `Source.narrations` begins with that holds scores: float64, NaN if not known."""

FIRST_PASS = "narration_pass_1"
"""The narration_source of data with one annotator a video, as Ego4D calls the first of its two."""


class Source(Protocol):
    """A data set of narrated egocentric videos; every method raises InputError for data that cannot be read."""

    splits_in: str
    """where it says which split a video is of, in words"""
    segmented: bool
    """whether its narrations have a start and an end of their own, which no window strategy may change"""

    def narrations(self) -> pd.DataFrame:
        """Return one row per narration in the order of the file, with NARRATION_COLUMNS.

        narration_time is in seconds, NaN where the file has no number; narration_text is raw, "" where there is none.
        Strings may be categories, uids and passes then in the order of their names. A segmented source has
        SEGMENT_COLUMNS, CAPTION_COLUMNS and SPLIT_COLUMN besides; score_<name>, where it has scores; and label_<kind>,
        where it has classes: a categorical whose categories are their names in the order of their numbers, missing if
        not known.
        """
        ...

    def videos(self) -> pd.DataFrame:
        """Return one row per video of the metadata or of a narration, with `videos_table.VIDEO_COLUMNS`.

        video_dur in seconds (NaN unknown), path (str, or None if not on disk), width and height in pixels (0 unknown),
        split "train", "val", "test" or "", fho_multi bool, scenarios list of str, scene int64 (videos filmed together
        share it), redacted list of (start, end) seconds.
        """
        ...

    def lexicon_dir(self) -> Path | None:
        """Return the folder that holds both taxonomy files, or None."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of every annotation file the source uses, by its name in the source."""
        ...

    def notes(self) -> list[str]:
        """Return plain facts about what was and was not found, one phrase each."""
        ...

    def looked_in(self) -> str:
        """Say for an error where videos were looked for: the pattern of their names, and every folder."""
        ...
