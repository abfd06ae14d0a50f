"""EgoVLPv2: both towers apart, and text and clip fused, from pixels and raw texts."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch
import transformers.modeling_utils
from torch import Tensor, nn
from transformers import AutoTokenizer, RobertaConfig

from benchmarks.parity import ours
from benchmarks.parity.inputs import TEXTS, byte_tokenizer, clips, normalized, randomize
from benchmarks.parity.rows import Row, largest, unit
from benchmarks.parity.trees import Tree, opened

TREE = Tree("EGOVLPV2_TREE", "facebookresearch/EgoVLPv2", "EgoVLPv2")
UNUSED = ("cv2", "ffmpeg", "humanize", "torchvision")
NAME = "EgoVLPv2"


def egovlpv2() -> Iterator[Row]:
    """Compare the released form, shown 4 and 16 frames; what is fused is a text with each of two clips."""
    with TemporaryDirectory() as scratch, opened(TREE, UNUSED):
        kind = _their_class()
        tokenizer = byte_tokenizer(Path(scratch) / "tokenizer")
        weights = Path(scratch) / "released.pth"
        state = randomize(_built(kind, 16)).state_dict()
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, weights)
        words = AutoTokenizer.from_pretrained(tokenizer)(
            list(TEXTS), return_tensors="pt", padding=True, truncation=True
        )
        words = {name: words[name] for name in ("input_ids", "attention_mask")}
        for frames in (4, 16):
            theirs = _built(kind, frames)
            theirs.load_state_dict(theirs._inflate_positional_embeds(dict(state)), strict=False)
            model = ours.load(weights, f"tokenizer={tokenizer}", f"data.frames={frames}", "max_tokens=64")
            yield from _rows(theirs.eval(), model, words, frames)


@torch.no_grad()
def _rows(theirs: nn.Module, model: ours.Model, words: dict[str, Tensor], frames: int) -> Iterator[Row]:
    shown = clips(frames, count=2 if frames == 4 else 1)
    found = theirs.infer({"video": normalized(shown), "text": words}, task_names="EgoNCE", ret={})
    text, video = unit(found["text_embeds"]), unit(found["video_embeds"])
    yield Row(f"{NAME}: clips", TREE.title, frames, largest(model.embed_frames(shown), video))
    yield Row(f"{NAME}: raw texts", TREE.title, frames, largest(model.embed_text(TEXTS), text))

    asked, words = TEXTS[:2], {name: rows[:2] for name, rows in words.items()}
    options = torch.arange(len(asked) * 5).reshape(-1, 5) % len(shown)
    matches = model.system.match_probability(shown, list(asked), options, at_once=2)
    expected = torch.zeros(len(asked), len(shown))
    for clip, pixels in enumerate(normalized(shown)):
        data = {"video": pixels.repeat(len(asked), 1, 1, 1, 1), "text": words}
        logits = theirs.infer(data, task_names="ITM", ret={})["cross_attn_itm_logits"]
        expected[:, clip] = logits.softmax(dim=1)[:, 1]
    difference = largest(matches, expected.gather(1, options))
    yield Row(f"{NAME}: probability that text and clip match", TREE.title, frames, difference)


def _their_class() -> type[nn.Module]:
    """Import their model, made for an earlier transformers: the names that have gone since are not used by it."""
    for name in ("find_pruneable_heads_and_indices", "prune_linear_layer", "apply_chunking_to_forward"):
        if not hasattr(transformers.modeling_utils, name):
            setattr(transformers.modeling_utils, name, None)
    decorators = types.ModuleType("transformers.file_utils")
    for name in ("add_code_sample_docstrings", "replace_return_docstrings"):
        setattr(decorators, name, _leaves_as_it_is)
    decorators.add_start_docstrings = decorators.add_start_docstrings_to_model_forward = _leaves_as_it_is
    with mock.patch.dict(sys.modules, {"transformers.file_utils": decorators}):
        from model import model, roberta

    base = roberta.RobertaModel
    base.get_extended_attention_mask = lambda _, mask, *__: (1.0 - mask[:, None, None, :].float()) * -1e9
    base.get_head_mask = lambda _, mask, layers: [None] * layers
    base.init_weights = lambda _: None
    base.from_pretrained = classmethod(lambda kind, _: kind(_text_config()))
    model.config["use_checkpoint"] = False
    model.roberta.config_yaml["use_checkpoint"] = False
    return model.FrozenInTime


def _leaves_as_it_is(*_: object, **__: object) -> object:
    return lambda function: function


def _text_config() -> RobertaConfig:
    """Return the sizes of roberta-base."""
    return RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)


def _built(kind: type[nn.Module], frames: int) -> nn.Module:
    """Return their model without the weights that it would fetch: every tensor is replaced here."""
    with mock.patch.object(torch, "load", lambda *_, **__: {"nothing": torch.zeros(1)}):
        return kind(
            {"model": "SpaceTimeTransformer", "num_frames": frames, "pretrained": False},
            {"model": "roberta-base", "pretrained": True},
        )
