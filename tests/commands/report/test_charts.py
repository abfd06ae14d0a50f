"""What charts are drawn from: every value is counted, axes have round numbers, runs share a scale."""

import numpy as np
import pytest

from egocurate.commands.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    bars,
    histograms,
    parts,
    rank_curves,
    whole_numbers,
)


def test_histograms_count_every_value():
    values = np.r_[np.random.default_rng(0).gamma(2.0, size=1000), 90.0]
    (drawn,) = histograms([values])
    assert sum(column.count for column in drawn.columns) == 1001
    assert "and more" in drawn.columns[-1].about
    (same,) = histograms([np.zeros(3)])
    assert sum(column.count for column in same.columns) == 3


def test_a_histogram_far_from_zero_begins_at_its_least_value():
    (drawn,) = histograms([np.array([5.0, 5.5, 6.0])])
    assert drawn.columns[0].count == 1
    assert drawn.columns[0].about.startswith("5.00 to ")


def test_the_axes_have_round_counts_and_values_at_their_places():
    (drawn,) = histograms([np.repeat(np.arange(10) + 0.5, 30)], columns=10, top=10.0)
    assert [text for _, text in drawn.axes.x_marks] == ["0", "2", "4", "6", "8", "10"]
    assert [text for _, text in drawn.axes.y_marks] == ["0", "10", "20", "30"]
    assert drawn.axes.x_marks[0][0] == LEFT
    assert drawn.axes.y_marks[0][0] == HEIGHT - BOTTOM
    assert drawn.axes.y_marks[-1][0] == pytest.approx(TOP)
    assert all(column.y == pytest.approx(TOP) for column in drawn.columns)
    assert drawn.columns[3].about == "3.00 to 4.00 seconds: 30 clips"


def test_runs_next_to_each_other_share_the_scale_of_what_is_measured():
    small, large = histograms([np.array([1.0, 2.0]), np.array([1.0, 50.0])])
    assert small.axes.x_marks == large.axes.x_marks
    assert [column.about.split(":")[0] for column in small.columns] == [
        column.about.split(":")[0] for column in large.columns
    ]
    few, many = whole_numbers([np.array([0, 1]), np.array([3])], "verbs")
    assert [column.count for column in few.columns] == [1, 1, 0, 0]
    assert [column.count for column in many.columns] == [0, 0, 0, 1]
    one, other = bars([[("a", 10)], [("a", 40)]])
    assert (one.bars[0].share, other.bars[0].share) == (0.25, 1.0)


def test_charts_of_nothing_are_none():
    assert bars([[]]) == parts([[("a", 0)]]) == [None]
    assert histograms([np.zeros(0)]) == whole_numbers([np.zeros(0, np.int64)], "verbs") == [None]
    assert rank_curves([np.array([5, 3])], "clips") == [None]
    assert [drawn is None for drawn in histograms([np.zeros(0), np.ones(3)])] == [True, False]


def test_the_curve_falls_from_the_first_rank_to_the_last():
    (drawn,) = rank_curves([np.arange(1, 200)], "clips")
    points = np.array([point.split(",") for point in drawn.points.split()], float)
    assert (np.diff(points[:, 0]) > 0).all() and (np.diff(points[:, 1]) >= 0).all()
    assert points[:, 0].max() <= WIDTH and points[:, 1].min() >= 0
    assert [text for _, text in drawn.axes.x_marks] == ["1", "10", "100"]
