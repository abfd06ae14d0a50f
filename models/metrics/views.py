"""One answer for a clip from several views of it."""

from __future__ import annotations

import numpy as np


def mean_of_views(logits: np.ndarray) -> np.ndarray:
    """Return the mean over views of the softmax of each view's logits, float64 [N, C] of [N, V, C].

    So VideoMAE's release merges the views of a test: probabilities are averaged, not logits.
    """
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=1)
