"""Load published weights into EgoVLP: image ViTs with timm's names, and EgoVLP's own checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.layers.video_tower import VideoTower

_FILES = (".safetensors", ".pth", ".pt", ".bin")
_NESTED = ("state_dict", "model", "module")  # where a training checkpoint keeps its weights
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
    return load_state(tower, read_weights(source), source)


def load_egovlp(model: EgoVLP, source: str) -> LoadReport:
    """Load a checkpoint of the EgoVLP release (file with `state_dict`); ValueError if nothing fits.

    A checkpoint with more or fewer frames fits too: its temporal embedding is cut, or filled with zeros.
    """
    state = {}
    for name, value in read_weights(source).items():
        name = name.removeprefix("module.")
        theirs = next((prefix for prefix in _EGOVLP_NAMES if name.startswith(prefix)), None)
        state[name if theirs is None else _EGOVLP_NAMES[theirs] + name.removeprefix(theirs)] = value
    frames = model.config.video.max_frames
    if (time := state.get("video.temporal_embed")) is not None:
        state["video.temporal_embed"] = F.pad(time[:, :frames], (0, 0, 0, max(0, frames - time.shape[1])))
    return load_state(model, state, source)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the module's parameters and buffers as a safetensors file."""
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)


def load_weights(module: nn.Module, source: str) -> LoadReport:
    """Load what `save_weights` wrote, or any file with the module's own names; ValueError if nothing fits."""
    return load_state(module, read_weights(source), source)


def read_weights(source: str) -> dict[str, Tensor]:
    """Read a file .safetensors/.pth, or a hub name's model.safetensors; ValueError if it is neither."""
    path = Path(source)
    if not path.is_file():
        if path.suffix in _FILES:
            raise ValueError(f"weights {source!r}: no such file")
        try:
            path = Path(hf_hub_download(source, "model.safetensors"))
        except (OSError, ValueError) as error:
            raise ValueError(f"weights {source!r}: no such file, and the hub does not give it") from error
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(f"weights {source!r}: not a file of tensors, or not a whole one") from error
    state = state if isinstance(state, dict) else {}
    state = next((state[key] for key in _NESTED if key in state), state)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def load_state(module: nn.Module, state: dict[str, Tensor], source: str) -> LoadReport:
    """Load the tensors whose name and shape fit the module; ValueError naming the source if none does."""
    ours = module.state_dict()
    fits = {name: value for name, value in state.items() if name in ours and ours[name].shape == value.shape}
    if not fits:
        raise ValueError(f"weights {source!r}: none of its {len(state)} tensors fits the model")
    module.load_state_dict(fits, strict=False)
    return LoadReport(sorted(fits), sorted(ours.keys() - fits.keys()), sorted(state.keys() - fits.keys()))
