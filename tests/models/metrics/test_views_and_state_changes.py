import math

import numpy as np
import pytest

from egocurate.models.metrics.state_changes import keyframe_seconds, localization_error, state_change_accuracy
from egocurate.models.metrics.views import mean_of_views


def test_views_vote_by_their_probabilities():
    logits = np.random.default_rng(0).normal(0, 4, (5, 6, 7)).astype(np.float32)
    expected = np.zeros((5, 7))
    for n in range(5):
        for v in range(6):
            powers = [math.exp(x) for x in logits[n, v].astype(float)]
            expected[n] += np.array(powers) / sum(powers) / 6
    assert mean_of_views(logits) == pytest.approx(expected)


def test_probabilities_not_logits_are_averaged():
    sure, unsure = [10.0, 0.0], [0.0, 2.0]
    logits = np.array([[sure, unsure, unsure, unsure]])
    assert logits.mean(axis=1).argmax() == 0
    assert mean_of_views(logits).argmax() == 1
    assert np.isfinite(mean_of_views(np.array([[[1e4, -1e4]]]))).all()


def test_a_state_change_is_right_by_its_higher_score():
    scores, labels = np.array([[0.2, 0.1], [0.3, 0.9], [0.1, 0.2], [5, 1]]), np.array([0, 1, 0, -1])
    assert state_change_accuracy(scores, labels) == pytest.approx(100 * 2 / 3)
    assert state_change_accuracy(np.array([0.1, 0.5, 0.7, 0.9]), labels) == pytest.approx(100 * 2 / 3)
    assert np.isnan(state_change_accuracy(scores[:1], np.array([-1])))


def test_the_error_of_a_keyframe_is_in_seconds():
    """A window of 8 s at 30 per second has 240 frames: index 4 of 16 is frame 60, 2 s from the start."""
    scores = np.zeros((2, 16))
    scores[0, 4] = scores[1, 15] = 1
    start, end = np.array([100.0, 20.0]), np.array([108.0, 28.0])
    predicted = keyframe_seconds(scores, start, end)
    assert predicted.tolist() == [102.0, 27.5]
    frames = abs((end[0] - start[0]) * 30 / 16 * 4 - 75)  # the true one is frame 75 of the window
    assert localization_error(predicted, np.array([102.5, np.nan])) == pytest.approx(frames / 30)
    assert np.isnan(localization_error(predicted, np.array([np.nan, np.nan])))
