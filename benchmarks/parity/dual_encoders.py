"""EgoVLP and Frozen in Time, its base: both towers, from pixels and raw texts to embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer, DistilBertConfig, DistilBertModel

from benchmarks.parity import ours
from benchmarks.parity.inputs import TEXTS, clips, normalized, randomize, wordpiece_tokenizer
from benchmarks.parity.rows import Row, largest, unit
from benchmarks.parity.trees import Tree, opened

EGOVLP = Tree("EGOVLP_TREE", "showlab/EgoVLP")
FROZEN = Tree("FROZEN_TREE", "m-bain/frozen-in-time")
UNUSED = ("cv2", "ffmpeg", "humanize", "torchvision")


def egovlp() -> Iterator[Row]:
    """Compare EgoVLP's released form: 16 positions in time, shown 4 and 16 frames."""
    yield from _rows(EGOVLP, "EgoVLP")


def frozen_in_time() -> Iterator[Row]:
    """Compare Frozen in Time, whose weights have EgoVLP's names."""
    yield from _rows(FROZEN, "Frozen in Time")


def _rows(tree: Tree, name: str) -> Iterator[Row]:
    with TemporaryDirectory() as scratch, opened(tree, UNUSED):
        from model.model import FrozenInTime

        tokenizer = wordpiece_tokenizer(Path(scratch) / "tokenizer")
        weights = Path(scratch) / "released.pth"
        state = randomize(_built(FrozenInTime, 16)).state_dict()
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, weights)
        for frames in (4, 16):
            theirs = _built(FrozenInTime, frames)
            theirs.load_state_dict(theirs._inflate_positional_embeds(dict(state)))
            model = ours.load(weights, f"tokenizer={tokenizer}", f"data.frames={frames}", "max_tokens=64")
            shown = clips(frames, count=2 if frames == 4 else 1)
            words = AutoTokenizer.from_pretrained(tokenizer)(
                list(TEXTS), return_tensors="pt", padding=True, truncation=True
            )
            words.pop("token_type_ids", None)
            with torch.no_grad():
                video = unit(theirs.eval().compute_video(normalized(shown)))
                text = unit(theirs.compute_text(words))
            yield Row(f"{name}: clips", tree.title, frames, largest(model.embed_frames(shown), video))
            yield Row(f"{name}: raw texts", tree.title, frames, largest(model.embed_text(TEXTS), text))


def _built(kind: type[nn.Module], frames: int) -> nn.Module:
    """Return their model without the weights that it would fetch: every tensor is replaced here."""
    no_text_weights = mock.patch.object(
        AutoModel, "from_pretrained", lambda *_, **__: DistilBertModel(DistilBertConfig())
    )
    no_image_weights = mock.patch.object(torch, "load", lambda *_, **__: {"nothing": torch.zeros(1)})
    no_image_model = mock.patch("timm.models.vision_transformer.vit_base_patch16_224", lambda **_: nn.Linear(1, 1))
    with no_text_weights, no_image_weights, no_image_model:
        return kind(
            {"model": "SpaceTimeTransformer", "num_frames": frames, "pretrained": False},
            {"model": "distilbert-base-uncased", "pretrained": True},
        )
