"""Hits of a search whose ends a model of natural language queries tells, in place of those of fixed windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from egocurate.models.metrics.intervals import interval_iou
from egocurate.training.localization.feature_folders import BadFeatures
from egocurate.training.localization.query_head import QueryHead, ReadText
from egocurate.training.search.search_index import Hit

MOST_IOU = 0.7
"""Two hits of a video that overlap more are one."""


class HitLocalizer:
    """Gives hits their ends; `bad` says of each video that has no features why its hits stay as they are."""

    def __init__(self, head: QueryHead) -> None:
        """Localize by a head; the features of a video are read when its first hit comes."""
        self._head = head
        self._rows: dict[str, np.ndarray | None] = {}
        self.bad: dict[str, str] = {}

    @property
    def reads_tokens(self) -> bool:
        """Whether a text is asked for with its tokens."""
        return self._head.reads_tokens

    def localize(self, asked: ReadText, hits: Sequence[Hit]) -> list[Hit]:
        """Return hits in their order, each with the ends of the best stretch that it touches, if there is one."""
        found: list[Hit] = []
        for hit in (self._localized(asked, hit) for hit in hits):
            others = np.array([(one.start_sec, one.end_sec) for one in found if one.video == hit.video]).reshape(-1, 2)
            if not (interval_iou(np.array([hit.start_sec, hit.end_sec]), others) > MOST_IOU).any():
                found.append(hit)
        return found

    def _localized(self, asked: ReadText, hit: Hit) -> Hit:
        rows = self._rows_of(hit.video)
        if rows is None:
            return hit
        middle = (hit.start_sec + hit.end_sec) / 2
        for start, end in self._head.stretches(rows, middle, asked).tolist():
            if start < hit.end_sec and end > hit.start_sec:
                return replace(hit, start_sec=start, end_sec=end)
        return hit

    def _rows_of(self, video: str) -> np.ndarray | None:
        if video not in self._rows:
            try:
                self._rows[video] = self._head.folders.rows(video)
            except BadFeatures as error:
                self._rows[video], self.bad[video] = None, str(error)
        return self._rows[video]
