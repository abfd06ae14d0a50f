"""The ViT of single frames as timm opens it: what of a video model sees a picture.

EgoVLP's tower is timm's ViT with attention over time beside it, and has its names. VideoMAE's encoder sees cubes; on a
picture that stands still its first cubes are a ViT's patches, the weight of a patch being the sum over a cube's frames.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from egocurate.errors import InputError
from egocurate.models.layers.patches import sine_cosine
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.model import VideoMAE
from egocurate.storage.atomic import write_json
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.export.pixels import normalization
from egocurate.training.run.checkpoint_folders import SAVED_WEIGHTS
from egocurate.training.systems.base import System

_OVER_TIME = re.compile(r"blocks\.\d+\.(norm3|timeattn)\.|temporal_embed$")
_ARCHITECTURE = "vit_base_patch16_224"  # its sizes are given beside it


def write_timm(system: System, config: TrainConfig, folder: Path) -> str:
    """Write what `timm.create_model("local-dir:FOLDER")` opens; returns Python that opens it.

    Raises InputError for a system without a ViT of single frames.
    """
    model, after = system.model, ""
    tower = getattr(model, "video", None)
    if isinstance(model, VideoMAE):
        state, sizes = _of_cubes(model), model.config
        arguments: dict[str, Any] = {"class_token": False, "global_pool": "avg", "fc_norm": False}
    elif isinstance(tower, VideoTower) and tower.config.style == "vit":
        sizes = tower.config
        state = {name: value for name, value in tower.state_dict().items() if not _OVER_TIME.search(name)}
        arguments = {"class_token": True, "global_pool": "token"}
        if sizes.eps != 1e-6:
            after = _with_eps(sizes.eps)
    else:
        raise InputError(
            f"--to timm: {config.system} has no ViT as timm has it"
            + (" (its tower is CLIP's)" if isinstance(tower, VideoTower) else "")
        )
    arguments |= {"img_size": sizes.image, "patch_size": sizes.patch, "embed_dim": sizes.width}
    arguments |= {"depth": sizes.depth, "num_heads": sizes.heads}
    mean, std = normalization(config)
    described = {
        "architecture": _ARCHITECTURE,
        "num_classes": 0,
        "num_features": sizes.width,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [3, sizes.image, sizes.image],
            "fixed_input_size": True,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": list(mean),
            "std": list(std),
            "num_classes": 0,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    save_file(state, folder / SAVED_WEIGHTS, metadata={"format": "pt"})
    write_json(folder / "config.json", described)
    return f'import timm\n\nmodel = timm.create_model("local-dir:FOLDER", pretrained=True).eval(){after}'


def _of_cubes(model: VideoMAE) -> dict[str, Tensor]:
    encoder = model.encoder
    state = encoder.state_dict()
    for name in [name for name in state if name.endswith(".q_bias")]:
        stem = name.removesuffix("q_bias")
        query, value = state.pop(name), state.pop(f"{stem}v_bias")
        state[f"{stem}qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    state["patch_embed.proj.weight"] = state["patch_embed.proj.weight"].sum(2)
    state["pos_embed"] = sine_cosine(model.config.places, model.config.width)
    return state


def _with_eps(eps: float) -> str:
    return (
        "\nfor module in model.modules():  # timm has 1e-6, whatever a config says\n"
        f'    if hasattr(module, "eps"):\n        module.eps = {eps:g}'
    )
