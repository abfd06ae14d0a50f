"""Texts as ids: how long they are, and that none is longer than the model takes."""

from dataclasses import replace

import pytest
import torch

from egocurate.loaders import stream
from egocurate.models.tokenizer import train_tokenizer
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.tokens import Tokens, tokens_for

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


@pytest.mark.parametrize(("form", "marked"), [("normalized", False), ("raw", True)])
def test_a_tokenizer_is_made_of_the_form_that_is_read(tiny, data, form, marked):
    config = replace(tiny, data=replace(tiny.data, text=form), tokenizer="", out="", start="")
    read = stream(data / "shards", batch_size=4, config=config.data)
    made = tokens_for(config, read, Ranks(0, 1, torch.device("cpu"), False), 300, 16)
    assert ("#" in made.tokenizer.get_vocab()) is marked
    other, wearer = (made([text])[0].tolist() for text in ("#O A moves cup 1", "#C C moves cup 1"))
    assert (other != wearer) or not marked
