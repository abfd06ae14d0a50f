"""Load checkpoints of the EgoVLPv2 release: its names of the parameters, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.weights import LoadReport, load_state, read_weights, replace_prefix

# The release's start of a name -> ours; the first that fits.
_PREFIXES = {
    "video_model.": "video.",
    "text_model.": "text.model.",
    "cls_token": "fused_cls_token",
    "norm.": "fused_norm.",
    "cross_modal_text_transform.": "text_transform.",
    "cross_modal_video_transform.": "video_transform.",
    "cross_modal_text_pooler.dense.": "vtm_head.text_pooler.",
    "cross_modal_video_pooler.dense.": "vtm_head.video_pooler.",
    "itm_score.": "vtm_head.",
    "mlm_score.transform.dense.": "mlm_head.dense.",
    "mlm_score.transform.LayerNorm.": "mlm_head.norm.",
    "mlm_score.decoder.": "mlm_head.decoder.",
    "mlm_score.bias": "mlm_head.decoder.bias",
}
_VIDEO_GATE = re.compile(r"video_model\.blocks\.(\d+)\.attn\.(qkv_i2t|qkv_text_i2t|proj_i2t|alpha_i2t|norm_i2t_i)(.*)")
_TEXT_GATE = re.compile(
    r"text_model\.encoder\.layer\.(\d+)\.(?:crossattention_t2i\.(self\.query|self\.key|self\.value|output\.dense)"
    r"|(alpha_t2i))(.*)"
)
_GATE_PARTS = {
    "qkv_i2t": "q",
    "qkv_text_i2t": "kv",
    "proj_i2t": "proj",
    "alpha_i2t": "gate",
    "norm_i2t_i": "norm",
    "self.query": "q",
    "self.key": "k",
    "self.value": "v",
    "output.dense": "proj",
    "alpha_t2i": "gate",
}


# What only the fused passes need, of our names.
_HEADS = ("fused_cls_token", "fused_norm.", "text_transform.", "video_transform.", "mlm_head.", "vtm_head.")


def linear_projection(shapes: Mapping[str, Sequence[int]]) -> int:
    """Return the channels of a release's linear projections (EK-100's and Charades-Ego's); 0 if they are MLPs."""
    return next(
        (shape[0] for name, shape in shapes.items() if re.fullmatch(r"(module\.)?txt_proj\.1\.weight", name)), 0
    )


def without_heads(names: Sequence[str]) -> list[str]:
    """Return our names of parameters but those that only the fused passes need."""
    return [name for name in names if not name.startswith(_HEADS)]


def load_egovlpv2(model: EgoVLPv2, source: str) -> LoadReport:
    """Load a checkpoint of the EgoVLPv2 release (file with `state_dict`); ValueError if nothing fits.

    One with more frames is cut; one with fewer has its temporal embedding interpolated, as the release does.
    """
    return load_state(model, egovlpv2_names(read_weights(source), model), source)


def egovlpv2_names(state: dict[str, Tensor], model: EgoVLPv2) -> dict[str, Tensor]:
    """Return the tensors of a release's checkpoint under the names that the model has."""
    renamed = {_rename(name.removeprefix("module."), model.lower): value for name, value in state.items()}
    for name in [name for name in renamed if re.search(r"text_gates\.\d+\.k\.", name)]:
        other = re.sub(r"\.k\.", ".v.", name)
        if other in renamed:  # the release keeps key and value apart here
            renamed[re.sub(r"\.k\.", ".kv.", name)] = torch.cat([renamed.pop(name), renamed.pop(other)])
    return egovlpv2_frames(renamed, model)


def egovlpv2_frames(state: dict[str, Tensor], model: EgoVLPv2) -> dict[str, Tensor]:
    """Return weights with a temporal embedding of the model's frames: cut, or interpolated as the release does."""
    time = state.get("video.temporal_embed")
    if time is None:
        return state
    return state | {"video.temporal_embed": _resized(time, model.config.video.max_frames)}


def _rename(name: str, lower: int) -> str:
    if match := _VIDEO_GATE.fullmatch(name):
        return f"video_gates.{int(match[1]) - lower}.{_GATE_PARTS[match[2]]}{match[3]}"
    if match := _TEXT_GATE.fullmatch(name):
        return f"text_gates.{int(match[1]) - lower}.{_GATE_PARTS[match[2] or match[3]]}{match[4]}"
    return replace_prefix(name, _PREFIXES)


def _resized(time: Tensor, frames: int) -> Tensor:
    """Temporal embedding [1, T, D] for another number of frames."""
    if time.shape[1] >= frames:
        return time[:, :frames]
    return F.interpolate(time.transpose(1, 2), frames, mode="linear", align_corners=True).transpose(1, 2)
