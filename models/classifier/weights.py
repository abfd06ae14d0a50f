"""VideoMAE's fine-tuned weights under the names that a `Classifier` has."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.videomae.weights import videomae_names
from egocurate.models.weights import replace_prefix

LABEL = "label"
"""What the classes of a release are called, which does not call them anything."""

_NAMES = {"encoder.": "backbone.", "fc_norm.": "norm.", "head.": f"scores.{LABEL}."}


def classifier_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, the release's or transformers', under a classifier's names.

    Of pre-training weights that is the backbone; what a classifier lacks keeps its name.
    """
    return {replace_prefix(name, _NAMES): value for name, value in videomae_names(state).items()}
