"""Load checkpoints of the EgoVLP release, and give a model its names: one table of them, read both ways."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.weights import LoadReport, inverted, load_state, read_weights, replace_prefix

# The release's start of a name -> ours.
_PREFIXES = {
    "video_model.": "video.",
    "text_model.": "text.model.",
    "vid_proj.0.": "vid_proj.",
    "txt_proj.": "txt_proj.",
}
# LaViLa's start of a name, of the same weights -> the release's.
_LAVILA_PREFIXES = {
    "visual.": "video_model.",
    "textual.": "text_model.",
    "image_projection.": "vid_proj.",
    "text_projection.": "txt_proj.",
}


def load_egovlp(model: EgoVLP, source: str) -> LoadReport:
    """Load a checkpoint of the EgoVLP release (file with `state_dict`), or LaViLa's copy of it; ValueError if none is.

    A checkpoint with more or fewer frames fits too: its temporal embedding is cut, or filled with zeros.
    """
    # Data-parallel training puts `module.` before every name.
    read = {name.removeprefix("module."): value for name, value in read_weights(source).items()}
    state = {replace_prefix(replace_prefix(name, _LAVILA_PREFIXES), _PREFIXES): value for name, value in read.items()}
    return load_state(model, egovlp_frames(state, model), source)


def egovlp_frames(state: dict[str, Tensor], model: EgoVLP) -> dict[str, Tensor]:
    """Return weights with a temporal embedding of the model's frames: cut, or filled with zeros as the release does."""
    return _with_frames(state, "video.temporal_embed", model.config.video.max_frames)


def tower_frames(state: dict[str, Tensor], tower: VideoTower) -> dict[str, Tensor]:
    """Return what `egovlp_frames` does, of a video tower alone."""
    return _with_frames(state, "temporal_embed", tower.config.max_frames)


def _with_frames(state: dict[str, Tensor], name: str, frames: int) -> dict[str, Tensor]:
    time = state.get(name)
    if time is None:
        return state
    return state | {name: F.pad(time[:, :frames], (0, 0, 0, max(0, frames - time.shape[1])))}


def egovlp_release(model: EgoVLP) -> dict[str, Tensor]:
    """Return the model's tensors as the release names them: what `load_egovlp` reads."""
    return {replace_prefix(name, inverted(_PREFIXES)): value for name, value in model.state_dict().items()}
