"""Kernel temporal segmentation against every division there is."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from egocurate.models.localization.kernel_segments import kernel_segments


def every_division(rows, most, longest, penalty):
    """Return the best edges by trying all of them."""
    count, best = len(rows), (np.inf, None)
    for changes in range(most):
        for inner in combinations(range(1, count), changes):
            edges = [0, *inner, count]
            lengths = np.diff(edges)
            if lengths.max() > longest:
                continue
            parts = [rows[first:end] for first, end in pairwise(edges)]
            scatter = sum(((part - part.mean(0)) ** 2).sum() for part in parts)
            cost = scatter / count
            cost += penalty * changes / (2 * count) * (np.log(count / changes) + 1) if changes else 0
            best = min(best, (cost, edges), key=lambda pair: pair[0])
    return best[1]


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_best_of_all_divisions(seed):
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(9, 3)).cumsum(0)
    most, longest, penalty = int(draw.integers(1, 5)), int(draw.integers(5, 10)), float(draw.uniform(0, 4))
    most = max(most, -(-9 // longest))
    found = kernel_segments(rows, most=most, longest=longest, penalty=penalty)
    assert found.tolist() == every_division(rows, most, longest, penalty)


def test_scenes_that_differ_are_told_apart_and_one_scene_is_one_segment():
    scenes = np.repeat(np.eye(4)[[0, 2, 1, 3]], [30, 50, 8, 40], axis=0)
    noise = np.random.default_rng(0).normal(scale=0.05, size=scenes.shape)
    assert kernel_segments(scenes + noise).tolist() == [0, 30, 80, 88, 128]
    assert kernel_segments(np.eye(4)[[0] * 20] + noise[:20]).tolist() == [0, 20]


def test_a_video_that_is_longer_than_the_segments_allow_has_more():
    edges = kernel_segments(np.ones((45, 2)), most=2, longest=10)
    assert len(edges) == 6 and np.diff(edges).max() <= 10
