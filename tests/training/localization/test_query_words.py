"""Words of questions as tokens that another model has read: they alone tell questions apart, and padding is nothing."""

import numpy as np
import pytest
import torch

from egocurate.models.localization.config import VSLNetConfig
from egocurate.training.localization.clip_features import ClipFeatures
from egocurate.training.localization.ego4d_json import ClipEntry
from egocurate.training.localization.nlq_json import Query
from egocurate.training.localization.pooled import pool
from egocurate.training.localization.query_task import QueryTask, TextTowers
from egocurate.training.localization.query_texts import padded, vocabulary_of

CLIP = ClipEntry("c", "v", 0.0, 20.0)
STATES = {"a": torch.ones(1, 3), "b": -torch.ones(2, 3), "as a": torch.ones(1, 3), "longer": torch.rand(9, 3)}


def query(text):
    return Query(CLIP, "annotation", 0, text, (2.0, 5.0))


@pytest.fixture(scope="module")
def clips():
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    return ClipFeatures({"c": pool(rows, 20, np.arange(20.0), 20.0)}, {})


def start_logits(clips, texts):
    torch.manual_seed(0)
    towers = TextTowers(words=lambda asked: [STATES[text] for text in asked])
    task = QueryTask([query("a")], [query(text) for text in texts], clips, towers, VSLNetConfig(width=8, heads=2))
    batch = task._batch(task.test, np.arange(len(texts)), torch.device("cpu"))
    with torch.no_grad():
        return task.model.eval()(*batch).start


def test_questions_of_the_same_tokens_are_one_question(clips):
    a, b, again = start_logits(clips, ["a", "b", "as a"])
    assert torch.equal(a, again) and not torch.allclose(a, b, atol=1e-3)


def test_a_longer_question_beside_it_changes_nothing(clips):
    torch.testing.assert_close(start_logits(clips, ["b", "longer"])[0], start_logits(clips, ["b"])[0])


def test_rows_of_ids_and_of_tokens_are_padded_with_nothing():
    ids, said = padded(vocabulary_of(["lift it"]).ids(["lift", "it lift now", "?"]), 4)
    assert ids.tolist() == [[3, 0, 0, 0], [2, 3, 1, 0], [1, 0, 0, 0]]
    assert said.sum(1).tolist() == [1, 3, 1]
    tokens, said = padded([STATES["a"], STATES["b"]], 2)
    assert tokens.shape == (2, 2, 3) and not tokens[0, 1].any() and said.tolist() == [[True, False], [True, True]]
