"""Modules built to be loaded: nothing is drawn, and all else is as it would be."""

import pytest
import torch
from torch import nn
from transformers import DistilBertConfig, DistilBertModel

from egocurate.models.undrawn import Undrawn

WAYS = {
    "normal": nn.init.normal_,
    "uniform": nn.init.uniform_,
    "truncated": nn.init.trunc_normal_,
    "kaiming": nn.init.kaiming_uniform_,
    "xavier": nn.init.xavier_uniform_,
    "method": lambda tensor: tensor.data.normal_(0, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_would_be_drawn_is_zero(way):
    weight = nn.Parameter(torch.full((4, 6), 3.0))
    before = torch.get_rng_state()
    with Undrawn():
        WAYS[way](weight)
    assert not weight.any()
    assert weight.requires_grad
    assert torch.equal(torch.get_rng_state(), before)
    WAYS[way](weight)
    assert weight.any()


def test_constants_and_calculations_are_as_ever():
    with Undrawn():
        norm, linear = nn.LayerNorm(3), nn.Linear(3, 2)
        assert torch.equal(nn.init.constant_(torch.empty(2), 5.0), torch.tensor([5.0, 5.0]))
        assert torch.arange(4.0).sin().sum().item() == torch.arange(4.0).sin().sum().item() != 0
    assert norm.weight.all()
    assert not linear.weight.any() and not linear.bias.any()


def test_transformers_draws_nothing():
    sizes = DistilBertConfig(vocab_size=20, dim=8, hidden_dim=16, n_layers=1, n_heads=2, max_position_embeddings=6)
    with Undrawn():
        state = DistilBertModel(sizes).state_dict()
    assert all(value.any() == name.lower().endswith("norm.weight") for name, value in state.items())
