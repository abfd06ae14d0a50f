"""Metrics of Ego4D's state changes: is there one in a clip (OSCC), and when is its point of no return (PNR)?"""

from __future__ import annotations

import numpy as np


def state_change_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the percentage of clips whose higher score is right: scores [N, 2] or of a change alone [N], labels 0, 1.

    Scores of a change alone are probabilities: from .5 on it is one. Labels of -1 are left out; nan if all are.
    """
    known = labels >= 0
    answers = scores.argmax(axis=1) if scores.ndim == 2 else (scores >= 0.5).astype(np.int64)
    return 100 * float((answers == labels)[known].mean()) if known.any() else np.nan


def keyframe_seconds(scores: np.ndarray, start_sec: np.ndarray, end_sec: np.ndarray) -> np.ndarray:
    """Return the second [N] at which each clip's frame of highest score lies, given scores [N, F] of F frames.

    Frame f of F is f / F of the way from a clip's start to its end, as in Ego4D's evaluation, which has F = 16.
    """
    return start_sec + scores.argmax(axis=1) / scores.shape[1] * (end_sec - start_sec)


def localization_error(predicted_sec: np.ndarray, true_sec: np.ndarray) -> float:
    """Return the mean of |predicted - true| in seconds over the clips that have a point of no return.

    Ego4D's "absolute error": clips without one have nan for true_sec. nan if none has one.
    """
    has_one = ~np.isnan(true_sec)
    return float(np.abs(predicted_sec - true_sec)[has_one].mean()) if has_one.any() else np.nan
