"""Load published weights into EgoVLP: image ViTs with timm's names, and EgoVLP's own checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor, nn

from models.egovlp import EgoVLP
from models.video import VideoTower

_FILES = (".safetensors", ".pth", ".pt", ".bin")
# EgoVLP's name of a part -> ours, after a leading `module.` of data-parallel training.
_EGOVLP_NAMES = {
    "video_model.": "video.",
    "text_model.": "text.model.",
    "vid_proj.0.": "vid_proj.",
    "txt_proj.": "txt_proj.",
}


@dataclass(frozen=True)
class LoadReport:
    """Names of parameters: those loaded, ours that the file lacks, the file's that have no place or another shape."""

    loaded: list[str]
    missing: list[str]
    unused: list[str]

    def __str__(self) -> str:
        return f"{len(self.loaded)} loaded, {len(self.missing)} kept as drawn, {len(self.unused)} of the file unused"


def load_vit(tower: VideoTower, source: str) -> LoadReport:
    """Load an image ViT (file .safetensors/.pth, or a hub name such as timm/vit_base_patch16_224.orig_in21k_ft_in1k).

    With it the tower is that image model on every frame. Raises ValueError if nothing fits.
    """
    return _load(tower, _read(source), source)


def load_egovlp(model: EgoVLP, source: str) -> LoadReport:
    """Load a checkpoint of the EgoVLP release (file with `state_dict`); ValueError if nothing fits.

    A checkpoint with more or fewer frames fits too: its temporal embedding is cut, or filled with zeros.
    """
    state = {}
    for name, value in _read(source).items():
        name = name.removeprefix("module.")
        theirs = next((prefix for prefix in _EGOVLP_NAMES if name.startswith(prefix)), None)
        state[name if theirs is None else _EGOVLP_NAMES[theirs] + name.removeprefix(theirs)] = value
    frames = model.config.video.max_frames
    if (time := state.get("video.temporal_embed")) is not None:
        state["video.temporal_embed"] = F.pad(time[:, :frames], (0, 0, 0, max(0, frames - time.shape[1])))
    return _load(model, state, source)


def _read(source: str) -> dict[str, Tensor]:
    path = Path(source)
    if not path.is_file():
        if path.suffix in _FILES:
            raise ValueError(f"weights {source!r}: no such file")
        try:
            path = Path(hf_hub_download(source, "model.safetensors"))
        except (OSError, ValueError) as error:
            raise ValueError(f"weights {source!r}: no such file, and the hub does not give it") from error
    if path.suffix == ".safetensors":
        return load_file(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    return state.get("state_dict", state)


def _load(module: nn.Module, state: dict[str, Tensor], source: str) -> LoadReport:
    ours = module.state_dict()
    fits = {name: value for name, value in state.items() if name in ours and ours[name].shape == value.shape}
    if not fits:
        raise ValueError(f"weights {source!r}: none of its {len(state)} tensors fits the model")
    module.load_state_dict(fits, strict=False)
    return LoadReport(sorted(fits), sorted(ours.keys() - fits.keys()), sorted(state.keys() - fits.keys()))
