"""Load image models into the video tower: ViTs by timm's names, and CLIP's image towers.

CLIP's parts have other names in OpenAI's and open_clip's files than in transformers'.
"""

from __future__ import annotations

import torch
from torch import Tensor

from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.weights import LoadReport, load_state, read_weights, replace_patterns

# (their name, ours): transformers' first, then OpenAI's and open_clip's, which have the same.
_HF_NAMES = (
    (r"^vision_model\.embeddings\.class_embedding$", "cls_token"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"^vision_model\.pre_layrnorm\.", "norm_pre."),
    (r"^vision_model\.post_layernorm\.", "norm."),
    (r"^vision_model\.encoder\.layers\.", "blocks."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.layer_norm([12])\.", r".norm\1."),
)
_OPENAI_NAMES = (
    (r"^visual\.class_embedding$", "cls_token"),
    (r"^visual\.positional_embedding$", "pos_embed"),
    (r"^visual\.conv1\.", "patch_embed.proj."),
    (r"^visual\.ln_pre\.", "norm_pre."),
    (r"^visual\.ln_post\.", "norm."),
    (r"^visual\.transformer\.resblocks\.", "blocks."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def load_image_tower(tower: VideoTower, source: str) -> LoadReport:
    """Load image weights of the tower's style, CLIP's or an image ViT's; ValueError if nothing fits."""
    return (load_clip if tower.config.style == "clip" else load_vit)(tower, source)


def load_vit(tower: VideoTower, source: str) -> LoadReport:
    """Load an image ViT (file .safetensors/.pth, or a hub name such as timm/vit_base_patch16_224.orig_in21k_ft_in1k).

    With it the tower is that image model on every frame. Raises ValueError if nothing fits.
    """
    return load_state(tower, read_weights(source), source)


def load_clip(tower: VideoTower, source: str) -> LoadReport:
    """Load CLIP's image tower (file, or a hub name such as openai/clip-vit-base-patch16) into one of style "clip".

    With one frame the tower is then CLIP's, up to the map into its text space, which is left out. Raises ValueError if
    nothing fits or the tower is of another style.
    """
    if tower.config.style != "clip":
        raise ValueError(f"weights {source!r}: CLIP's tower is another than an image ViT's; set style=clip, eps=1e-5")
    return load_state(tower, clip_names(read_weights(source)), source)


def clip_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the image tower's tensors of a CLIP checkpoint under the names and shapes that `VideoTower` has."""
    names = _OPENAI_NAMES if any(name.startswith("visual.") for name in state) else _HF_NAMES
    renamed = {replace_patterns(name, names): value for name, value in state.items()}
    if not {"cls_token", "pos_embed", "patch_embed.proj.weight"} <= renamed.keys():
        return renamed  # of something else: nothing fits
    for name in [name for name in renamed if ".attn.q." in name]:
        stem, kind = name.split(".attn.q.")
        parts = [renamed.pop(f"{stem}.attn.{part}.{kind}") for part in "qkv"]
        renamed[f"{stem}.attn.qkv.{kind}"] = torch.cat(parts)
    for name, shape in (("cls_token", (1, 1, -1)), ("pos_embed", (1, *renamed["pos_embed"].shape))):
        renamed[name] = renamed[name].reshape(shape)
    weight = renamed["patch_embed.proj.weight"]
    renamed.setdefault("patch_embed.proj.bias", weight.new_zeros(len(weight)))  # CLIP's has none
    return renamed
