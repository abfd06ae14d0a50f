"""EgoMCQ's accuracy by hand."""

import numpy as np
import pytest
import torch

from egocurate.models.metrics.egomcq import cosine_scores, egomcq_accuracy
from egocurate.questions import INTER, INTRA

torch.set_num_threads(1)


def test_mcq_accuracy_by_type():
    clips = torch.eye(6)
    choices = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [5, 1, 2, 3, 4], [0, 1, 2, 3, 5]])
    types = np.array([INTER, INTER, INTRA, INTER])
    text = torch.stack([clips[1], clips[0], clips[5] * 7, clips[4] * 0 + clips[5]])
    answer = np.array([1, 2, 0, 4])
    accuracy = egomcq_accuracy(cosine_scores(text, clips, choices), answer, types)
    assert accuracy == {"inter": pytest.approx(200 / 3), "intra": 100.0}


def test_mcq_ties_go_to_the_first_and_nan_is_wrong():
    clips = torch.ones(5, 3)
    choices, answers, types = np.arange(5)[None].repeat(2, 0), np.array([0, 1]), np.array([INTER, INTER])
    for text, right in ((torch.ones(2, 3), 50.0), (torch.full((2, 3), torch.nan), 0.0)):
        assert egomcq_accuracy(cosine_scores(text, clips, choices), answers, types) == {"inter": right}
