"""VideoMAE: the encoder's tokens with nothing hidden, and the pixels that the decoder draws where cubes are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.parity import ours
from benchmarks.parity.inputs import clips, normalized, randomize
from benchmarks.parity.rows import Row, largest, unit
from benchmarks.parity.trees import Tree, opened
from egocurate.models.videomae.model import draw_mask

TREE = Tree("VIDEOMAE_TREE", "MCG-NJU/VideoMAE")


@torch.no_grad()
def videomae() -> Iterator[Row]:
    """Compare ViT-S of the pre-training release: 16 frames, a decoder of four layers."""
    with TemporaryDirectory() as scratch, opened(TREE, ("torchvision",)):
        import modeling_pretrain

        theirs = randomize(modeling_pretrain.pretrain_videomae_small_patch16_224(decoder_depth=4))
        weights = Path(scratch) / "checkpoint.pth"
        torch.save({"model": theirs.state_dict()}, weights)
        model = ours.load(weights)
        sizes, shown = model.system.sizes, clips(16)
        pixels = normalized(shown)
        places = sizes.frames // sizes.tubelet * sizes.places
        tokens = theirs.encoder(pixels.transpose(1, 2), torch.zeros(len(shown), places, dtype=torch.bool))
        features = unit(model.system.features(shown))
        yield Row("VideoMAE-S: features", TREE.title, 16, largest(features, unit(tokens.mean(1))))

        mask = draw_mask(sizes, torch.rand(len(shown), sizes.places, generator=torch.Generator().manual_seed(1)))
        _, drawn = model.system.model(model.system.pixels(shown), *mask)
        hidden = torch.ones(len(shown), places, dtype=torch.bool).scatter(1, mask[0], False)
        expected = theirs(pixels.transpose(1, 2), hidden)
        yield Row("VideoMAE-S: pixels of hidden cubes", TREE.title, 16, largest(drawn, expected), bar=1e-4)
