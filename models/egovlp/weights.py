"""Load checkpoints of the EgoVLP release: its names of the parameters, and ours."""

from __future__ import annotations

import torch.nn.functional as F

from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.weights import LoadReport, load_state, read_weights, replace_prefix

# The release's start of a name -> ours.
_PREFIXES = {
    "video_model.": "video.",
    "text_model.": "text.model.",
    "vid_proj.0.": "vid_proj.",
    "txt_proj.": "txt_proj.",
}


def load_egovlp(model: EgoVLP, source: str) -> LoadReport:
    """Load a checkpoint of the EgoVLP release (file with `state_dict`); ValueError if nothing fits.

    A checkpoint with more or fewer frames fits too: its temporal embedding is cut, or filled with zeros.
    """
    # Data-parallel training puts `module.` before every name.
    state = {
        replace_prefix(name.removeprefix("module."), _PREFIXES): value for name, value in read_weights(source).items()
    }
    frames = model.config.video.max_frames
    if (time := state.get("video.temporal_embed")) is not None:
        state["video.temporal_embed"] = F.pad(time[:, :frames], (0, 0, 0, max(0, frames - time.shape[1])))
    return load_state(model, state, source)
