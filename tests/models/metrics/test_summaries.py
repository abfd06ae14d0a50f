"""The score of summaries: the matching against every one there is, and cases that can be told by hand."""

from itertools import permutations

import numpy as np
import pytest

from egocurate.models.metrics.summaries import concept_iou, heaviest_matching, summary_score


@pytest.mark.parametrize("seed", range(30))
def test_no_matching_is_heavier(seed):
    draw = np.random.default_rng(seed)
    weights = draw.choice([0, 0.25, 0.5, 1], size=draw.integers(1, 6, 2)) * draw.random()
    few, many = sorted(weights.shape)
    wide = weights if weights.shape[0] == few else weights.T
    best = max(wide[np.arange(few), list(columns)].sum() for columns in permutations(range(many), few))
    assert heaviest_matching(weights) == pytest.approx(best, abs=1e-12)


def test_shots_that_mean_the_same_agree_wherever_they_are():
    cup_desk, cup, sky, nothing = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], bool)
    assert concept_iou(np.array([cup, nothing]), np.array([cup_desk, nothing])).tolist() == [[0.5, 0], [0, 0]]
    assert summary_score(np.array([cup, sky]), np.array([sky, cup])) == (1, 1, 1)
    # Each of the three stands for one shot of the other side only.
    assert summary_score(np.array([cup, cup, cup]), np.array([cup])) == pytest.approx((1 / 3, 1, 0.5))
    assert summary_score(np.array([cup]), np.array([sky])) == (0, 0, 0)
