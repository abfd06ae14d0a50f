"""Ego4D's state changes: accuracy of "does the object change" (OSCC), error in seconds of "when" (PNR)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from egocurate.loaders import ShardIndex
from egocurate.models.classifier.state_changes import KEYFRAME
from egocurate.models.metrics.state_changes import keyframe_seconds, localization_error, state_change_accuracy
from egocurate.training.tasks.classification import ClassificationEvaluator

CHANGE = "state_change"
"""The label of shards that `curate segments --annotations fho_oscc-pnr_train.json` cuts."""


class Windows(NamedTuple):
    """Start and end of windows and the point of no return in them, seconds float64 [N]; nan for one without."""

    start_sec: np.ndarray
    end_sec: np.ndarray
    change_sec: np.ndarray


def windows_of(index: ShardIndex, samples: Sequence[int]) -> Windows:
    """Return the windows of shards of fho_oscc-pnr_*.json; those whose `state_change` is not 1 have no such point."""
    rows = [index.row(sample) for sample in samples]
    start, end, time = (
        np.array([getattr(row, name) for row in rows], np.float64)
        for name in ("clip_start", "clip_end", "narration_time")
    )
    changes = np.array([row.labels[CHANGE] == 1 for row in rows], bool)
    return Windows(start, end, np.where(changes, time, np.nan))


class StateChangeEvaluator(ClassificationEvaluator):
    """Tests what is learned of the two questions on the windows of `test_shards`; without them there are no figures."""

    title = "state changes"

    def tested_names(self, index: ShardIndex) -> dict[str, list[str]]:
        """Return the classes that the labels must have; the frames of a window are no labels of shards."""
        return {CHANGE: self.system.label_names.get(CHANGE, index.label_names.get(CHANGE, []))}

    def figures(self, probabilities: dict[str, np.ndarray], decoded: np.ndarray) -> dict[str, float]:
        """Return "accuracy" in percent and "error_sec", of those windows that decode (bool [N])."""
        found = {}
        if CHANGE in probabilities:
            labels = self.clips.labels(CHANGE)[decoded]
            found["accuracy"] = state_change_accuracy(probabilities[CHANGE][decoded], labels)
        if KEYFRAME in probabilities:
            windows = windows_of(self.clips.index, self.clips.samples)
            start, end, change = (each[decoded] for each in windows)
            found["error_sec"] = localization_error(
                keyframe_seconds(probabilities[KEYFRAME][decoded], start, end), change
            )
        return found
