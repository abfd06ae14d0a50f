"""The ranker of shots: what a segment does not hold does not count, and it begins as the cosine."""

import torch

from egocurate.models.localization.config import ShotRankerConfig
from egocurate.models.localization.shot_ranker import ShotRanker

CONFIG = ShotRankerConfig(width=16)


def batch():
    torch.manual_seed(0)
    seen = torch.arange(5) < torch.tensor([3, 5])[:, None]
    return torch.randn(2, 5, 8), seen, torch.tensor([[1, 2], [3, 0], [2, 0]]), torch.randn(3, 8)


def test_what_lies_behind_a_segment_and_what_others_show_changes_nothing():
    shots, seen, concepts, sentence = batch()
    model = ShotRanker(CONFIG, shot_width=8, concepts=4, sentence_width=0).eval()
    logits = model(shots, seen, concepts, sentence[:, :0])
    assert logits.shape == (3, 2, 5)
    changed = shots.clone()
    changed[0, 3:], changed[1] = 9.0, 1.0
    again = model(changed, seen, concepts, sentence[:, :0])
    assert torch.allclose(logits[:, 0, :3], again[:, 0, :3], atol=1e-6)
    assert not torch.allclose(logits[:, 1], again[:, 1])
    assert torch.allclose(logits[1:2], model(shots, seen, concepts[1:2], sentence[1:2, :0]), atol=1e-6)


def test_it_begins_as_the_cosine_where_shots_and_sentences_are_of_one_space():
    shots, seen, concepts, sentence = batch()
    model = ShotRanker(CONFIG, shot_width=8, concepts=4, sentence_width=8).eval()
    logits = model(shots, seen, concepts, sentence)
    cosine = torch.nn.functional.cosine_similarity(shots[None], sentence[:, None, None], dim=-1)
    for ours, theirs in zip(logits[:, seen], cosine[:, seen], strict=True):
        assert torch.corrcoef(torch.stack([ours, theirs]))[0, 1] > 0.95
    logits[:, seen].sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)
