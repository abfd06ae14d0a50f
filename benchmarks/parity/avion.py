"""AVION's dual encoder: ViT-B/16 by its own builder, and its tokenizer, from pixels and raw texts to embeddings.

Its code runs with PyTorch's attention. flash_attn, which it imports first of all, has a stand-in that is never called:
the tensors go by flash attention's names in the file, as its own map for OpenAI's CLIP renames them. The stand-in of
`clip` gives that map nothing to load, as every tensor is drawn here. torchvision is only imported, by timm.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType, SimpleNamespace

import torch
from torch import nn

from benchmarks.parity import ours
from benchmarks.parity.inputs import TEXTS, byte_pair_tokenizer, clips, levels_normalized, randomize
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import Tree, opened

TREE = Tree("AVION_TREE", "zhaoyue-zephyrus/AVION")
UNUSED = ("clip", "flash_attn", "torchvision")


@torch.no_grad()
def avion() -> Iterator[Row]:
    """Compare an encoder that was trained on 4 frames, shown 4 and 16, with a linear map over patches as released."""
    with TemporaryDirectory() as scratch, opened(TREE, UNUSED):
        from avion.data import tokenizer as words
        from avion.models import model_clip, utils

        pieces, scratch = list(words._tokenizer.encoder), Path(scratch)
        tokenizer = byte_pair_tokenizer(pieces, words.default_bpe(), scratch / "tokenizer")
        state = randomize(_built(model_clip, 4)).state_dict()
        released = utils.remap_keys_from_open_clip_to_vit(state, use_fast_conv1=True, use_flash_attn=True)
        weights = scratch / "released.pt"
        torch.save({"state_dict": {f"module.{key}": value for key, value in released.items()}}, weights)
        for frames in (4, 16):
            theirs = _built(model_clip, frames)
            theirs.load_state_dict(utils.inflate_positional_embeds(theirs.state_dict(), dict(state), num_frames=frames))
            model = ours.load(weights, f"tokenizer={tokenizer}", f"data.frames={frames}")
            shown = clips(frames)
            pixels = levels_normalized(shown).transpose(1, 2)  # they have colors before frames
            video, text, _ = theirs(pixels, words.tokenize(list(TEXTS)))
            yield Row("AVION-B: clips", TREE.title, frames, largest(model.embed_frames(shown), video))
            yield Row("AVION-B: raw texts", TREE.title, frames, largest(model.embed_text(TEXTS), text))


def _built(model_clip: ModuleType, frames: int) -> nn.Module:
    """Return their model with random weights, without the list of names that its builder prints."""
    model_clip.clip = SimpleNamespace(load=lambda *_, **__: (nn.Linear(1, 1), None))
    with redirect_stdout(io.StringIO()):
        return model_clip.CLIP_VITB16(num_frames=frames, project_embed_dim=256, use_fast_conv1=True).eval()
