"""Which architecture released weights are of, and how wide, told by the names and shapes of their tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from egocurate.storage.json_notes import read_note

HUB_CONFIG = "config.json"
"""what a folder of transformers says of its model"""
Architecture = (
    Literal["egovlp", "egovlpv2", "videomae", "videoprism", "videoprism-encoder"]
    | Literal["lavila", "lavila-distilbert", "avion", "openai-clip", "videomae-classifier"]
)

# The first whose patterns each begin some name.
_KNOWN: tuple[tuple[Architecture, tuple[str, ...]], ...] = (
    ("egovlpv2", (r"video_model\.blocks\.", r"text_model\.encoder\.layer\.\d+\.(crossattention_t2i|alpha_t2i)")),
    ("egovlp", (r"video_model\.blocks\.", r"text_model\.transformer\.layer\.", r"vid_proj\.", r"txt_proj\.")),
    ("egovlp", (r"visual\.blocks\.", r"textual\.transformer\.layer\.", r"image_projection\.0\.")),
    ("videomae", (r"encoder\.blocks\.", r"decoder\.blocks\.", r"encoder_to_decoder\.")),
    ("videomae", (r"videomae\.encoder\.", r"decoder\.decoder_layers\.", r"encoder_to_decoder\.")),
    ("videoprism", (r"vision_encoder/spatial_encoder/", r"text_encoder/")),
    ("videoprism", (r"video_model\.vision_model\.spatial_", r"text_model\.embeddings\.token_embedding\.")),
    ("videoprism-encoder", (r"(vision_encoder/)?spatial_encoder/", r"(vision_encoder/)?temporal_encoder/")),
    ("videoprism-encoder", (r"(\w+_model\.)*spatial_embeddings\.", r"(\w+_model\.)*temporal_embeddings\.")),
    ("lavila", (r"visual\.blocks\.\d+\.timeattn\.", r"transformer\.resblocks\.", r"image_projection$")),
    ("lavila-distilbert", (r"visual\.ln_pre\.", r"textual\.transformer\.layer\.", r"image_projection$")),
    (
        "avion",
        (r"visual\.transformer\.resblocks\.", r"textual\.transformer\.resblocks\.", r"visual\.image_projection$"),
    ),
    ("openai-clip", (r"visual\.transformer\.resblocks\.", r"transformer\.resblocks\.", r"visual\.proj$")),
    ("videomae-classifier", (r"blocks\.\d+\.attn\.q_bias", r"fc_norm\.", r"head\.weight")),
    ("videomae-classifier", (r"videomae\.encoder\.", r"fc_norm\.", r"classifier\.")),
)
# What cannot be used, and what it looks like.
_OTHERS = (
    ((r"blocks\.\d+\.attn\.q_bias", r"fc_norm\."), "a VideoMAE that was fine-tuned to classify, without its head"),
    ((r"videomae\.",), "a VideoMAE without its decoder"),
    (
        (r"visual\.blocks\.\d+\.timeattn\.",),
        "a model of LaViLa's without its dual encoder's text tower, such as a narrator",
    ),
    (
        (r"video_model\.blocks\.", r"text_model\."),
        "a dual encoder like EgoVLP's, with a text tower or heads of another",
    ),
    ((r"visual\.transformer\.resblocks\.",), "a CLIP without its text tower, or with one of another make"),
    ((r"vision_model\.encoder\.layers\.",), "a CLIP or SigLIP as transformers names it: name the folder it is in"),
    ((r"timesformer\.",), "a TimeSformer as transformers names it"),
    ((r"vjepa2\.",), "a V-JEPA 2 as transformers names it: name the folder it is in"),
    ((r"video\.", r"(vid_proj|text|video)\."), "weights that a run here saved: name its folder as RUN"),
    ((r"blocks\.\d+\.attn\.qkv\.", r"pos_embed"), "an image ViT: training takes it, as video_weights"),
)
_FILES = (".pth", ".pt", ".bin", ".safetensors", ".npz")
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_BEFORE = r"(module\.|params/)?"  # of data-parallel torch, of flax
_PATCHES = r"patch_embed\.proj\.weight$|patch_embeddings\.projection\.weight$"  # [width, ...]
_FLAX_PATCHES = r"patch_projection/linear/kernel$"  # [..., width]


def is_weights_file(source: str | Path) -> bool:
    """Tell whether a source is a file, or named as one of weights."""
    path = Path(source)
    return path.is_file() or path.suffix in _FILES


def is_encoder_folder(source: str | Path) -> bool:
    """Tell whether a source is a folder of transformers: one with a config.json that names a model_type.

    Raises InputError for a config.json that cannot be read.
    """
    config = Path(source) / HUB_CONFIG
    return config.is_file() and "model_type" in read_note(config, dict, "take the folder as save_pretrained wrote it")


def is_hub_name(source: str | Path) -> bool:
    """Tell whether a source may be a name on the hub: owner/name, and nothing on this machine."""
    path = Path(source)
    return (
        isinstance(source, str)
        and bool(_HUB_NAME.fullmatch(source))
        and not path.exists()
        and path.suffix not in _FILES
    )


def recognize(names: Collection[str]) -> Architecture:
    """Return the architecture whose released weights have tensors of these names.

    Raises ValueError, one line, for names of another: it says what they look like.
    """
    for architecture, patterns in _KNOWN:
        if _all_begin(patterns, names):
            return architecture
    for patterns, what in _OTHERS:
        if _all_begin(patterns, names):
            raise ValueError(f"looks like {what}")
    shown = ", ".join(sorted(names)[:3]) or "nothing"
    raise ValueError(f"of no architecture that is known here; its {len(names)} tensors begin with {shown}")


def width_of(shapes: Mapping[str, Sequence[int]]) -> int:
    """Return the channels of the video tower's tokens, from the shape of what projects a patch; 0 without one."""
    for name, shape in shapes.items():
        if shape and re.search(_PATCHES, name):
            return shape[0]
        if shape and re.search(_FLAX_PATCHES, name):
            return shape[-1]
    return 0


def count_layers(stack: str, names: Iterable[str]) -> int:
    """Return how many layers of a stack the names tell: a pattern of what stands before their numbers."""
    return len({match[1] for name in names if (match := re.match(rf"{stack}\.(\d+)\.", name))})


def is_of_layer(name: str) -> bool:
    """Tell whether a tensor belongs to a layer of a tower: without it the tower would compute something else."""
    return re.search(r"(^|[./_])(blocks|resblocks|layers?|space|time|auxiliary)[./]\d+[./]", name) is not None


def _all_begin(patterns: Collection[str], names: Collection[str]) -> bool:
    return all(any(re.match(_BEFORE + pattern, name) for name in names) for pattern in patterns)
