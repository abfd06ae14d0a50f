"""Load checkpoints of the EgoVLPv2 release, and give a model its names: one table of them, read both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.weights import LoadReport, inverted, load_state, read_weights, replace_prefix

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
_VIDEO_PARTS = {
    "qkv_i2t": "q",
    "qkv_text_i2t": "kv",
    "proj_i2t": "proj",
    "alpha_i2t": "gate",
    "norm_i2t_i": "norm",
}
_TEXT_PARTS = {
    "crossattention_t2i.self.query": "q",
    "crossattention_t2i.self.key": "k",
    "crossattention_t2i.self.value": "v",
    "crossattention_t2i.output.dense": "proj",
    "alpha_t2i": "gate",
}
_GATES = {
    # where a tower's gates stand, (theirs up to the layer, theirs after it, ours), and what their parts are called
    ("video_model.blocks.", ".attn.", "video_gates."): _VIDEO_PARTS,
    ("text_model.encoder.layer.", ".", "text_gates."): _TEXT_PARTS,
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


def egovlpv2_release(model: EgoVLPv2) -> dict[str, Tensor]:
    """Return the model's tensors as the release names them: what `load_egovlpv2` reads.

    The release has a [CLS] of its own for fused passes: one that is shared stands there twice.
    """
    state = model.state_dict()
    if model.config.shared:
        state["fused_cls_token"] = state["video.cls_token"]
    for name in [name for name in state if re.match(r"text_gates\.\d+\.kv\.", name)]:
        key, value = state.pop(name).chunk(2)
        state |= {name.replace(".kv.", ".k."): key, name.replace(".kv.", ".v."): value}
    return {_named_as_released(name, model.lower): value for name, value in state.items()}


def _rename(name: str, lower: int) -> str:
    for (before, after, ours), parts in _GATES.items():
        of_gate = "|".join(map(re.escape, parts))
        if match := re.fullmatch(rf"{re.escape(before)}(\d+){re.escape(after)}({of_gate})(\..*)?", name):
            return f"{ours}{int(match[1]) - lower}.{parts[match[2]]}{match[3] or ''}"
    return replace_prefix(name, _PREFIXES)


def _named_as_released(name: str, lower: int) -> str:
    for (before, after, ours), parts in _GATES.items():
        if match := re.fullmatch(rf"{re.escape(ours)}(\d+)\.(\w+)(\..*)?", name):
            return f"{before}{int(match[1]) + lower}{after}{inverted(parts)[match[2]]}{match[3] or ''}"
    return replace_prefix(name, inverted(_PREFIXES))


def _resized(time: Tensor, frames: int) -> Tensor:
    """Temporal embedding [1, T, D] for another number of frames."""
    if time.shape[1] >= frames:
        return time[:, :frames]
    return F.interpolate(time.transpose(1, 2), frames, mode="linear", align_corners=True).transpose(1, 2)
