"""LaViLa's dual encoders: its builders and tokenizers, from pixels and raw texts to embeddings.

Stand-ins take the place of its narrator's parts, made for an earlier transformers, and of what its builders would
fetch: CLIP's, DistilBERT's and an image model's weights, as every tensor is drawn here. timm alone imports torchvision.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest import mock

import torch
from torch import Tensor, nn
from transformers import DistilBertConfig, DistilBertModel

from benchmarks.parity import ours
from benchmarks.parity.inputs import (
    TEXTS,
    byte_pair_tokenizer,
    clips,
    levels_normalized,
    normalized,
    randomize,
    wordpiece_tokenizer,
)
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import StandIn, Tree, opened

TREE = Tree("LAVILA_TREE", "facebookresearch/LaViLa")
# OpenAI's CLIP that each is begun from: width, layers, patch, width and heads of texts, and of both together.
BASE, LARGE = (768, 12, 16, 512, 8, 512), (1024, 24, 14, 768, 12, 768)
UNUSED_PARTS = ("gpt2_gated", "narrator", "openai_clip")

Builder = Callable[..., nn.Module]
Words = Callable[[list[str]], tuple[Tensor, ...]]


def lavila() -> Iterator[Row]:
    """Compare encoders that were trained on 4 frames, shown 4 and 16: ViT-B's and ViT-L's."""
    with _models() as (models, scratch):
        from lavila.models.tokenizer import SimpleTokenizer, default_bpe

        words = SimpleTokenizer()
        tokenizer = byte_pair_tokenizer(list(words.encoder), default_bpe(), scratch / "tokenizer")
        for name, build, sizes in (
            ("LaViLa-B", models.CLIP_OPENAI_TIMESFORMER_BASE, BASE),
            ("LaViLa-L", models.CLIP_OPENAI_TIMESFORMER_LARGE, LARGE),
        ):
            _fetch_nothing(models, sizes)
            yield from _rows(name, build, lambda texts: (words(texts),), tokenizer)


def lavila_distilbert() -> Iterator[Row]:
    """Compare what has DistilBERT for texts: LaViLa's, shown 4 and 16 frames, and its copy of EgoVLP, shown 4."""
    with _models() as (models, scratch):
        from lavila.models.tokenizer import MyDistilBertTokenizer

        tokenizer = wordpiece_tokenizer(scratch / "tokenizer")
        _fetch_nothing(models, BASE)
        rows = partial(_rows, words=MyDistilBertTokenizer(str(tokenizer)), tokenizer=tokenizer)
        build = partial(models.CLIP_OPENAI_TIMESFORMER_BASE_DISTILBERT_BASE, text_use_cls_token=False)
        yield from rows("LaViLa-B with DistilBERT", build)
        build = partial(models.CLIP_HF_EGOVLP_DISTILBERT_BASE, text_use_cls_token=False)
        yield from rows("LaViLa's copy of EgoVLP", build, shown_frames=(4,), normalize=normalized)


@torch.no_grad()
def _rows(
    name: str,
    build: Builder,
    words: Words,
    tokenizer: Path,
    shown_frames: tuple[int, ...] = (4, 16),
    normalize: Callable[[Tensor], Tensor] = levels_normalized,
) -> Iterator[Row]:
    from lavila.models import utils

    weights = tokenizer.with_name("released.pth")
    state = randomize(build(num_frames=4)).state_dict()
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, weights)
    # From here on they are in the file alone: ViT-L's are 2 GB, and theirs and ours have them too.
    state = {key.removeprefix("module."): value for key, value in torch.load(weights, mmap=True)["state_dict"].items()}
    for frames in shown_frames:
        theirs = build(num_frames=frames).eval()
        fitted = utils.inflate_positional_embeds(theirs.state_dict(), dict(state), num_frames=frames)
        theirs.load_state_dict(fitted)
        model = ours.load(weights, f"tokenizer={tokenizer}", f"data.frames={frames}")
        shown = clips(frames)
        pixels = normalize(shown).transpose(1, 2)  # they have colors before frames
        found = theirs(pixels, *words(list(TEXTS)), norm_embed=True)
        yield Row(f"{name}: clips", TREE.title, frames, largest(model.embed_frames(shown), found["image_embed"]))
        yield Row(f"{name}: raw texts", TREE.title, frames, largest(model.embed_text(TEXTS), found["text_embed"]))
        del theirs, model, fitted


@contextmanager
def _models() -> Iterator[tuple[ModuleType, Path]]:
    """Open their tree: the module of their builders, and a folder for files."""
    with TemporaryDirectory() as scratch, opened(TREE, ("torchvision",)):
        parts = {f"lavila.models.{part}": StandIn(f"lavila.models.{part}") for part in UNUSED_PARTS}
        with mock.patch.dict(sys.modules, parts):
            from lavila.models import models
        yield models, Path(scratch)


def _fetch_nothing(models: ModuleType, sizes: tuple[int, ...]) -> None:
    """Let their builders begin from random weights of these sizes in place of those that they would fetch."""
    from lavila.models import openai_model

    width, layers, patch, text_width, heads, space = sizes
    models.load_openai_clip = lambda *_: (
        openai_model.CLIP(space, 224, layers, width, patch, 77, 49408, text_width, heads, 12),
        None,
    )
    models.DistilBertModel = mock.Mock(from_pretrained=lambda _: DistilBertModel(DistilBertConfig()))
    models.timm = mock.Mock()
    models.timm.models.vision_transformer.vit_base_patch16_224 = lambda **_: nn.Identity()
