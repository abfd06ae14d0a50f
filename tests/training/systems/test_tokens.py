"""Texts as ids: how long they are, and that none is longer than the model takes."""

import pytest
import torch

from egocurate.models.tokenizer import train_tokenizer
from egocurate.training.systems.tokens import Tokens

TEXTS = ["puts cup", "puts cup on the table", "puts cup " * 30]


@pytest.mark.parametrize(("longest", "lengths"), [(32, (8, 8, 32)), (30, (8, 8, 30)), (15, (8, 8, 15))])
def test_texts_of_any_longest_are_padded(longest, lengths):
    """Two and five words between two marks; EgoVLPv2's longest is 30, which 8 does not divide."""
    tokens = Tokens(train_tokenizer(TEXTS), longest, torch.device("cpu"))
    for text, length in zip(TEXTS, lengths, strict=True):
        ids, mask = tokens([text])
        assert ids.shape == mask.shape == (1, length)
        assert int(mask.sum()) == min(len(text.split()) + 2, longest)
        assert tokens([text], full=True)[0].shape == (1, longest)
