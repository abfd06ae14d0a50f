"""LaViLa's dual encoder: its builders and tokenizer, from pixels and raw texts to embeddings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.parity import ours
from benchmarks.parity.inputs import TEXTS, byte_pair_tokenizer, clips, levels_normalized, randomize
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import StandIn, Tree, opened

TREE = Tree("LAVILA_TREE", "facebookresearch/LaViLa")
# OpenAI's CLIP that each is begun from: width, layers, patch, width and heads of texts, and of both together.
BASE, LARGE = (768, 12, 16, 512, 8, 512), (1024, 24, 14, 768, 12, 768)
# The narrators' parts, made for an earlier transformers, and the download of CLIP.
UNUSED_PARTS = ("gpt2_gated", "narrator", "openai_clip")


def lavila() -> Iterator[Row]:
    """Compare encoders that were trained on 4 frames, shown 4 and 16: ViT-B's and ViT-L's."""
    with TemporaryDirectory() as scratch, opened(TREE, ("torchvision",)):
        parts = {f"lavila.models.{part}": StandIn(f"lavila.models.{part}") for part in UNUSED_PARTS}
        with mock.patch.dict(sys.modules, parts):
            from lavila.models import models, openai_model, utils
            from lavila.models.tokenizer import SimpleTokenizer, default_bpe

        words = SimpleTokenizer()
        tokenizer = byte_pair_tokenizer(list(words.encoder), default_bpe(), Path(scratch) / "tokenizer")
        for name, build, sizes in (
            ("LaViLa-B", models.CLIP_OPENAI_TIMESFORMER_BASE, BASE),
            ("LaViLa-L", models.CLIP_OPENAI_TIMESFORMER_LARGE, LARGE),
        ):
            models.load_openai_clip = lambda *_, sizes=sizes: (_openai_clip(openai_model.CLIP, sizes), None)
            state = randomize(build(num_frames=4)).state_dict()
            weights = Path(scratch) / "released.pth"
            torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, weights)
            for frames in (4, 16):
                theirs = build(num_frames=frames).eval()
                fitted = utils.inflate_positional_embeds(theirs.state_dict(), dict(state), num_frames=frames)
                theirs.load_state_dict(fitted)
                model = ours.load(weights, f"tokenizer={tokenizer}", f"data.frames={frames}")
                yield from _rows(name, theirs, words, model, frames)


@torch.no_grad()
def _rows(name: str, theirs: nn.Module, words: Callable[..., Tensor], model: ours.Model, frames: int) -> Iterator[Row]:
    shown = clips(frames)
    pixels = levels_normalized(shown).transpose(1, 2)  # they have colors before frames
    found = theirs(pixels, words(list(TEXTS)), norm_embed=True)
    yield Row(f"{name}: clips", TREE.title, frames, largest(model.embed_frames(shown), found["image_embed"]))
    yield Row(f"{name}: raw texts", TREE.title, frames, largest(model.embed_text(TEXTS), found["text_embed"]))


def _openai_clip(kind: type[nn.Module], sizes: tuple[int, ...]) -> nn.Module:
    """Return the CLIP that their builder would fetch, with random weights."""
    width, layers, patch, text_width, heads, space = sizes
    return kind(space, 224, layers, width, patch, 77, 49408, text_width, heads, 12)
