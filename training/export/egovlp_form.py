"""A model as EgoVLP's code, or EgoVLPv2's, reads its own checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch

from egocurate.errors import InputError
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlp.weights import egovlp_release
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.egovlpv2.weights import egovlpv2_release
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.checkpoint_folders import OWN_FORM, TOKENIZER
from egocurate.training.systems.base import System


def write_egovlp(system: System, config: TrainConfig, folder: Path) -> str:
    """Write a .pth as EgoVLP's or EgoVLPv2's code reads it: its names, tensors alone, under `state_dict`."""
    model = system.model
    if not isinstance(model, EgoVLP | EgoVLPv2):
        raise InputError(f"--to egovlp: a model of {config.system} has no form there; it is for egovlp and egovlpv2")
    video = model.config.video
    if video.attention != "divided" or video.style != "vit":
        raise InputError(
            f"--to egovlp: its code knows divided attention and a plain ViT alone, this model has "
            f"{video.attention} attention of style {video.style}: take --to {OWN_FORM}"
        )
    state = egovlp_release(model) if isinstance(model, EgoVLP) else egovlpv2_release(model)
    name = "EgoVLP.pth" if isinstance(model, EgoVLP) else "EgoVLPv2.pth"
    plain = {key: value.detach().cpu().clone() for key, value in state.items()}
    torch.save({"arch": "FrozenInTime", "state_dict": plain}, folder / name)
    system.tokens.save(folder / TOKENIZER)
    return (
        f'# In the configs of its authors, whose code builds ViT-B/16 alone: "load_checkpoint": "FOLDER/{name}"\n'
        f'import torch\n\nstate = torch.load("FOLDER/{name}", weights_only=True)["state_dict"]'
    )
