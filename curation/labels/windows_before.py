"""Clips that end before an action begins, to foretell it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from egocurate.curation.labels.annotations import Annotations
from egocurate.errors import InputError

LEAST_SEC = 0.5
"""what a clip must have of a video's beginning to be one"""


@dataclass(frozen=True)
class Before:
    """Clips of so many seconds that end so many seconds before the row's start (EPIC-KITCHENS-100: 1 s)."""

    gap_sec: float
    length_sec: float

    def __str__(self) -> str:
        """Say what the clips are."""
        return f"{self.length_sec:g} s that end {self.gap_sec:g} s before them"

    def rows(self, rows: Annotations) -> Annotations:
        """Return the rows with the seconds before them; those of an action too near to the video's start are skipped.

        Near the start a clip is shorter. Raises InputError if a row has no start, or none is left.
        """
        whole = np.flatnonzero(np.isnan(rows.start))
        if len(whole):
            raise InputError(f"{rows.path}: {rows.places[whole[0]]} has no start, before which --before could be")
        end = rows.start - self.gap_sec
        kept = np.flatnonzero(end >= LEAST_SEC)
        if not len(kept):
            raise InputError(f"{rows.path}: no row starts {self.gap_sec + LEAST_SEC:g} s or more into its video")
        few = {name: [getattr(rows, name)[row] for row in kept] for name in ("places", "video", "uid", "text")}
        return replace(
            rows,
            start=np.maximum(0.0, end - self.length_sec)[kept],
            end=end[kept],
            time=np.full(len(kept), np.nan),
            number=rows.number[kept],
            labels={kind: [texts[row] for row in kept] for kind, texts in rows.labels.items()},
            skipped=rows.skipped + len(rows) - len(kept),
            **few,
        )
