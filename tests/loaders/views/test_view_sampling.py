import math

import numpy as np
import pytest

from egocurate.errors import InputError
from egocurate.loaders.crops import View
from egocurate.loaders.views.view_sampling import dense_views, spatial_views, uniform_views, view_sampler


def dense_by_hand(count, frames, segments, stride):
    """The rule in words: every stride-th frame, the last of them repeated up to T; runs spread evenly over the rest."""
    grid = list(range(0, count, stride))
    grid += [grid[-1]] * (frames - len(grid))
    step = (len(grid) - frames) / (segments - 1)
    return [grid[math.floor(k * step + 1e-9) :][:frames] for k in range(segments)]


@pytest.mark.parametrize("count", [1, 5, 16, 17, 61, 64, 65, 128, 300])
@pytest.mark.parametrize(("segments", "stride"), [(2, 1), (5, 4), (5, 1), (3, 2)])
def test_dense_views_are_runs_at_a_stride_spread_over_the_clip(count, segments, stride):
    views = dense_views(count, 16, segments, stride=stride)
    assert views.shape == (segments, 16)
    assert views.tolist() == dense_by_hand(count, 16, segments, stride)


def test_one_dense_view_is_in_the_middle():
    assert dense_views(20, 4, 1, stride=2).tolist() == [[6, 8, 10, 12]]


@pytest.mark.parametrize("count", [1, 7, 16, 33, 50, 91])
@pytest.mark.parametrize("segments", [2, 3])
def test_uniform_views_are_offsets_into_equal_parts(count, segments):
    views = uniform_views(count, 8, segments)
    part = count / 8
    assert views.tolist() == [[int(x * part + part * k / segments + 1e-9) for x in range(8)] for k in range(segments)]
    assert views.max() < count


def test_one_uniform_view_shows_the_middles_as_training_s_evaluation_does():
    assert uniform_views(80, 8, 1).tolist() == [[5, 15, 25, 35, 45, 55, 65, 75]]


def test_crops_lie_along_the_longer_side():
    assert spatial_views(90, 160, 3) == [View(0, 0, 90, 90), View(0, 35, 90, 90), View(0, 70, 90, 90)]
    assert spatial_views(160, 90, 3) == [View(0, 0, 90, 90), View(35, 0, 90, 90), View(70, 0, 90, 90)]
    assert spatial_views(90, 160, 1) == [View(0, 35, 90, 90)]
    assert spatial_views(64, 64, 3) == [View(0, 0, 64, 64)] * 3


def test_a_test_samples_as_training_picks():
    assert np.array_equal(view_sampler("stride-4")(99, 8, 2), dense_views(99, 8, 2, stride=4))
    assert np.array_equal(view_sampler("segments-random")(99, 8, 2), uniform_views(99, 8, 2))
    with pytest.raises(InputError, match="no views are picked by 'all'"):
        view_sampler("all")
