"""Load published weights into VideoMAE: the release's checkpoints, and transformers' names for the same parts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from egocurate.models.videomae.model import VideoMAE
from egocurate.models.weights import LoadReport, load_state, read_weights, replace_patterns

_TUNED = ("patch_embed.", "blocks.")  # how the encoder's names begin in the release's fine-tuned weights
# transformers' name of a part -> the release's, tried in turn.
_HF_NAMES = (
    (r"^videomae\.embeddings\.patch_embeddings\.projection\.", "encoder.patch_embed.proj."),
    (r"^videomae\.encoder\.layer\.", "encoder.blocks."),
    (r"^videomae\.layernorm\.", "encoder.norm."),
    (r"^decoder\.decoder_layers\.", "decoder.blocks."),
    (r"^classifier\.", "head."),
    (r"\.attention\.attention\.([qv])(uery\.|alue\.|_)bias$", r".attn.\1_bias"),  # _: until transformers 4
    (r"\.attention\.attention\.(query|key|value)\.weight$", r".attn.\1"),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
)


def load_videomae(model: VideoMAE, source: str) -> LoadReport:
    """Load a checkpoint (file .pth/.safetensors, or a hub name such as MCG-NJU/videomae-base); ValueError if none fits.

    Of fine-tuned weights that is the encoder without its last LayerNorm.
    """
    return load_state(model, videomae_names(read_weights(source)), source)


def videomae_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, pre-trained or fine-tuned, the release's or transformers', in one spelling.

    It is that of the release's pre-training, whose encoder's names begin with "encoder."; beside it fine-tuned weights
    have fc_norm and head.
    """
    if any(name.startswith("videomae.") for name in state):
        state = _from_transformers(state)
    return {f"encoder.{name}" if name.startswith(_TUNED) else name: value for name, value in state.items()}


def _from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {replace_patterns(name, _HF_NAMES): value for name, value in state.items()}
    for name in [name for name in renamed if name.endswith(".attn.query")]:
        stem = name.removesuffix("query")
        renamed[stem + "qkv.weight"] = torch.cat([renamed.pop(stem + part) for part in ("query", "key", "value")])
    return renamed


def transformers_state(model: VideoMAE, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the model's tensors as transformers names them: what `videomae_names` reads.

    names: all that its class has, so that one which has no tensor here is a KeyError. The release's names are ours.
    """
    state = model.state_dict()
    for name in [name for name in state if name.endswith(".attn.qkv.weight")]:
        stem = name.removesuffix("qkv.weight")
        for part, rows in zip(("query", "key", "value"), state.pop(name).chunk(3), strict=True):
            state[stem + part] = rows
    return {name: state[replace_patterns(name, _HF_NAMES)] for name in names}
