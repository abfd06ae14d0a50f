"""Systems that are built to be loaded: with the weights of another they are that other, buffers and outputs too."""

from dataclasses import replace

import pytest
import torch

from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import build_system, build_undrawn
from tests.training.conftest import TEXTS

torch.set_num_threads(1)
CPU = Ranks(0, 1, torch.device("cpu"), False)


@pytest.mark.parametrize(
    "recipe", ["egovlp-tiny", "egovlpv2-tiny", "videomae-tiny", "videoprism-stage1-tiny", "videoprism-stage2-tiny"]
)
def test_with_the_weights_of_a_drawn_system_it_is_that_system(recipe, tokenizer):
    config = replace(RECIPES[recipe](), device="cpu")
    if recipe.startswith("ego") or "stage1" in recipe:
        config = replace(config, tokenizer=tokenizer)
    drawn, loaded = build_system(config, None, CPU), build_undrawn(config, CPU)
    assert not torch.equal(next(drawn.model.parameters()), next(loaded.model.parameters()))
    loaded.model.load_state_dict(drawn.model.state_dict())
    ours, theirs = dict(loaded.model.named_buffers()), dict(drawn.model.named_buffers())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    frames = torch.randint(0, 256, (2, config.data.frames, 3, config.data.size, config.data.size)).byte()
    drawn.model.eval(), loaded.model.eval()
    with torch.no_grad():
        assert torch.equal(loaded.features(frames), drawn.features(frames))
        if drawn.embedding:
            assert torch.equal(loaded.embed_texts(TEXTS), drawn.embed_texts(TEXTS))
