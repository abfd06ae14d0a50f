"""Load published weights into VideoPrism: the release's .npz files, and transformers' names for the same parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from torch import Tensor

from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import PrismVideoTower, VideoPrism
from egocurate.models.weights import LoadReport, load_state, read_weights, replace_patterns

# The release's name -> ours. A stack's tensors have all its layers in their first axis.
_STACKS = {
    "vision_encoder/spatial_encoder/transformers_stack/x_layers/": "video.encoder.space.",
    "vision_encoder/temporal_encoder/transformers_stack/x_layers/": "video.encoder.time.",
    "auxiliary_encoder/transformers_stack/x_layers/": "video.auxiliary.",
    "text_encoder/unimodal_transformer/x_layers/": "text.blocks.",
}
_PARTS = {
    "vision_encoder/patch_projection/linear": "video.encoder.patch_embed.proj",
    "vision_encoder/spatial_pos_emb": "video.encoder.pos_embed",
    "vision_encoder/temporal_pos_emb": "video.encoder.temporal_embed",
    "vision_encoder/spatial_ln": "video.encoder.space_norm",
    "vision_encoder/temporal_ln": "video.encoder.time_norm",
    "contrastive_vision_pooler/pooling_attention_query": "video.pool.query",
    "contrastive_vision_pooler/pooling_attention/per_dim_scale/per_dim_scale": "video.pool.scale",
    "contrastive_vision_pooler/pooling_attention/query": "video.pool.q",
    "contrastive_vision_pooler/pooling_attention/key": "video.pool.k",
    "contrastive_vision_pooler/pooling_attention/value": "video.pool.v",
    "contrastive_vision_pooler/pooling_attention/post": "video.pool.proj",
    "contrastive_vision_pooler/pooling_attention_layer_norm": "video.norm",
    "text_encoder/cls_emb": "text.cls_token",
    "text_encoder/token_emb": "text.embed.weight",
    "text_encoder/unimodal_ln": "text.norm",
}
_LAYER = {
    "layer_norm": "norm1",
    "self_attention/query": "attn.q",
    "self_attention/key": "attn.k",
    "self_attention/value": "attn.v",
    "self_attention/post": "attn.proj",
    "ff_layer/layer_norm": "norm2",
    "ff_layer/ffn_layer1/linear": "mlp.fc1",
    "ff_layer/ffn_layer2/linear": "mlp.fc2",
}
_KINDS = {"w": ".weight", "kernel": ".weight", "scale": ".weight", "b": ".bias", "bias": ".bias", "emb_var": ""}

# transformers' name -> ours, tried in turn.
_HF_NAMES = (
    (r"^(video_model\.)?(vision_model\.)?(?=spatial|temporal|layernorm[12])", "video.encoder."),
    (r"^(video_model\.)?auxiliary_layers\.", "video.auxiliary."),
    (r"^(video_model\.)?head_layernorm\.", "video.norm."),
    (r"^(video_model\.)?head\.", "video.pool."),
    (r"^(text_model\.)?embeddings\.token_embedding\.", "text.embed."),
    (r"^(text_model\.)?embeddings\.", "text."),
    (r"^(text_model\.)?layers\.", "text.blocks."),
    (r"^(text_model\.)?layernorm\.", "text.norm."),
    (r"spatial_embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"spatial_embeddings\.position_embeddings$", "pos_embed"),
    (r"temporal_embeddings\.position_embeddings$", "temporal_embed"),
    (r"spatial_layers\.", "space."),
    (r"temporal_layers\.", "time."),
    (r"encoder\.layernorm1\.", "encoder.space_norm."),
    (r"encoder\.layernorm2\.", "encoder.time_norm."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.o_proj\.", ".attn.proj."),
    (r"pool\.([qkv])_proj\.", r"pool.\1."),
    (r"pool\.o_proj\.", "pool.proj."),
    (r"per_dim_scale$", "scale"),
    (r"pooling_attention_query$", "query"),
    (r"text\.cls_emb$", "text.cls_token"),
)
# Without effect here: a key bias before softmax, and tables that are computed (see `sine_then_cosine`).
_NEEDLESS = ("video.pool.k.bias", "text.position_embedding", "text.position_ids")

Model = FactorizedEncoder | PrismVideoTower | VideoPrism
_PREFIX = {FactorizedEncoder: "video.encoder.", PrismVideoTower: "video.", VideoPrism: ""}
"""of a part's names in a whole model"""


def load_videoprism(model: Model, source: str) -> LoadReport:
    """Load the release's .npz, a transformers file, or a hub name such as google/videoprism-lvt-base-f16r288.

    An encoder or video tower takes its part of a video-text file. Raises ValueError if nothing fits.
    """
    path = Path(source)
    if path.suffix != ".npz":
        return load_state(model, videoprism_names(read_weights(source), model), source)
    if not path.is_file():
        raise ValueError(f"weights {source!r}: no such file")
    return load_state(model, videoprism_names(read_arrays(path), model), source)


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an .npz file by name; ValueError if it is none."""
    with _whole(path), np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def read_array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of an .npz file's arrays by name, of which nothing else is read; ValueError if it is none."""
    with _whole(path), ZipFile(path) as file:
        return {name.removesuffix(".npy"): _shape(file, name) for name in file.namelist()}


def _shape(file: ZipFile, name: str) -> tuple[int, ...]:
    """Return what is said of an array in front of it."""
    with file.open(name) as array:
        version = np.lib.format.read_magic(array)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(array)[0]


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Raise ValueError for whatever a broken file makes numpy and zipfile raise."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"weights {str(path)!r}: not a file of arrays, or not a whole one; take another") from error


def videoprism_names(state: dict[str, Tensor], model: Model) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, the release's or transformers', as the model has and names them."""
    renamed = _from_release(state) if any("/" in name for name in state) else _from_transformers(state)
    renamed = {name: value for name, value in renamed.items() if name not in _NEEDLESS}
    for name in [name for name in renamed if name.endswith(".attn.q.weight")]:
        stem = name.removesuffix("q.weight")
        renamed[stem + "qkv.weight"] = torch.cat([renamed.pop(f"{stem}{part}.weight") for part in "qkv"])
        renamed |= {f"{stem}{part}_bias": renamed.pop(f"{stem}{part}.bias") for part in "qkv"}
    for name, value in renamed.items():
        if re.search(r"norm\d?\.weight$", name):
            renamed[name] = value + 1.0  # both store what LayerNorm's scale exceeds 1 by
    prefix = _PREFIX[type(model)]
    return {name.removeprefix(prefix): value for name, value in renamed.items() if name.startswith(prefix)}


def transformers_state(model: Model, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the model's tensors as transformers names them: what `videoprism_names` reads.

    names: all that its class has; KeyError for one that has no tensor here. Its positions of texts are ours, which are
    the release's. A LayerNorm's scale less 1, which is what transformers stores, is exact from .5 to 2.
    """
    state = {_PREFIX[type(model)] + name: value for name, value in model.state_dict().items()}
    for name in [name for name in state if name.endswith(".attn.qkv.weight")]:
        stem = name.removesuffix("qkv.weight")
        for part, rows in zip("qkv", state.pop(name).chunk(3), strict=True):
            state |= {f"{stem}{part}.weight": rows, f"{stem}{part}.bias": state.pop(f"{stem}{part}_bias")}
    if isinstance(model, VideoPrism):
        longest = model.config.text.max_tokens
        state |= {
            "video.pool.k.bias": torch.zeros_like(state["video.pool.q.bias"]),
            "text.position_embedding": model.text.pos[0],
            "text.position_ids": torch.arange(longest)[None],
        }
    return {name: _for_transformers(state, replace_patterns(name, _HF_NAMES)) for name in names}


def _for_transformers(state: dict[str, Tensor], name: str) -> Tensor:
    if name.endswith("patch_embed.proj.weight"):
        return state[name].unsqueeze(2)
    return state[name] - 1.0 if re.search(r"norm\d?\.weight$", name) else state[name]


def _from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for theirs, value in state.items():
        name = replace_patterns(theirs, _HF_NAMES)
        # Its patches are cubes of one frame.
        renamed[name] = value.squeeze(2) if name.endswith("patch_embed.proj.weight") else value
    return renamed


def _from_release(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, value in state.items():
        name = name.removeprefix("params/")
        if re.match("(patch|spatial|temporal)_", name):  # a file of the encoder alone
            name = f"vision_encoder/{name}"
        stack = next((stack for stack in _STACKS if name.startswith(stack)), None)
        if stack is None:
            renamed[_renamed(name, _PARTS)] = _relaid(name, value)
            continue
        leaf = name.removeprefix(stack)
        for i, layer in enumerate(value):
            renamed[f"{_STACKS[stack]}{i}.{_renamed(leaf, _LAYER)}"] = _relaid(leaf, layer)
    return renamed


def _renamed(name: str, parts: dict[str, str]) -> str:
    stem, _, kind = name.rpartition("/")
    return parts[stem] + _KINDS[kind] if stem in parts and kind in _KINDS else parts.get(name, name)


def _relaid(name: str, value: Tensor) -> Tensor:
    """Turn a tensor of flax as torch has it: [out, in] matrices, heads in one axis."""
    if name.endswith("patch_projection/linear/kernel"):  # [(row, column, color), D]
        side = round((len(value) / 3) ** 0.5)
        return value.unflatten(0, (side, side, 3)).permute(3, 2, 0, 1)
    if name.endswith("kernel"):
        return value.T
    if name.endswith("post/w"):  # [D, H, h]
        return value.flatten(1)
    if name.endswith("/w"):
        return value.flatten(1).T
    if name.endswith("/b"):
        return value.flatten()
    if name.endswith("_pos_emb/emb_var"):
        return value[None]
    return value.view(1, 1, -1) if name.endswith("attention_query") else value
