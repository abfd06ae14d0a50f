import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.clips.compare_windows import compare_windows, covered_by_next
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.curation.clips.windows import (
    clamp,
    clip_windows,
    mean_gap,
    neighbours,
    overlap_ratio,
)
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.errors import InputError

ALPHA = 4.0


def one_pass(*times):
    time = np.array(times, float)
    group = np.zeros(len(time), np.int64)
    return time, group, mean_gap(time, group)


@st.composite
def timelines(draw):
    """Times in groups, sorted by group then time, with equal times likely."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    numbers = draw(st.lists(st.integers(0, 50), min_size=len(sizes), max_size=len(sizes), unique=True))
    time, group = [], []
    for number, size in zip(sorted(numbers), sizes, strict=True):
        time += sorted(draw(st.lists(st.integers(0, 20), min_size=size, max_size=size)))
        group += [number] * size
    return np.array(time) / 4, np.array(group, np.int64)


@pytest.mark.parametrize("name", WINDOWS)
def test_every_name_is_that_of_its_rule_which_says_in_a_line_what_it_does(name):
    assert WINDOWS[name].__name__ == name.replace("-", "_")
    assert WINDOWS[name].__doc__.endswith(".") and "\n" not in WINDOWS[name].__doc__


@given(timelines())
def test_mean_gap_against_brute_force(timeline):
    time, group = timeline
    beta = mean_gap(time, group)
    for row, number in enumerate(group):
        own = time[group == number].tolist()
        gaps = [after - before for before, after in itertools.pairwise(own)]
        if sum(gaps) > 0:
            assert beta[row] == pytest.approx(sum(gaps) / len(gaps))
        else:
            assert np.isnan(beta[row])


@given(timelines(), st.randoms(use_true_random=False))
def test_mean_gap_does_not_need_an_order(timeline, random):
    time, group = timeline
    order = list(range(len(time)))
    random.shuffle(order)
    np.testing.assert_array_equal(mean_gap(time[order], group[order]), mean_gap(time, group)[order])


@given(timelines(), st.floats(0.5, 5))
def test_neighbours_against_brute_force(timeline, gap):
    time, group = timeline
    before, after = neighbours(time, group, np.full(len(time), gap))
    for row in range(len(time)):
        others = time[group == group[row]]
        earlier, later = others[others < time[row]], others[others > time[row]]
        assert before[row] == (earlier.max() if len(earlier) else time[row] - gap)
        assert after[row] == (later.min() if len(later) else time[row] + gap)


def test_the_published_row():
    # EgoVLP's README, row 0 of egoclip.csv: times that fit a pass whose mean gap is 3.6927 s
    first = 3.3444585
    time, group, beta = one_pass(*(first + 3.6927 * np.arange(30)))
    start, end = clip_windows("egoclip", time, group, beta, PUBLISHED_ALPHA)
    assert start[0] == pytest.approx(2.967651, abs=1e-5)
    assert end[0] == pytest.approx(3.721266, abs=1e-5)


# a pass at 2, 4, 10 s: gaps 2 and 6, beta 4; Table 2 of EgoVLP with alpha 4 (adaptive: test_adaptive.py)
TABLE_2 = {
    "alpha-after": ([2, 4, 10], [6, 8, 14]),
    "alpha-around": ([0, 2, 8], [4, 6, 12]),
    "neighbours": ([-2, 2, 4], [4, 10, 14]),  # the ends reach one mean gap
    "gap-half": ([0, 2, 8], [4, 6, 12]),
    "gap-quarter": ([1, 3, 9], [3, 5, 11]),
    "egoclip": ([1.5, 3.5, 9.5], [2.5, 4.5, 10.5]),
    "midpoints": ([0, 3, 7], [3, 7, 12]),
}


@pytest.mark.parametrize("name", TABLE_2)
def test_strategies_by_hand(name):
    start, end = clip_windows(name, *one_pass(2, 4, 10), ALPHA)
    assert start.tolist() == TABLE_2[name][0]
    assert end.tolist() == TABLE_2[name][1]


@pytest.mark.parametrize("name", WINDOWS)
@given(timeline=timelines(), alpha=st.floats(0.5, 10))
def test_a_window_has_a_length_and_holds_its_time(name, timeline, alpha):
    time, group = timeline
    beta = mean_gap(time, group)
    beta[np.isnan(beta)] = 1.0
    start, end = clip_windows(name, time, group, beta, alpha)
    assert (start < end).all()
    assert (start <= time).all()
    assert (time <= end).all()


@given(timelines())
def test_midpoints_of_different_times_do_not_overlap(timeline):
    time, group = timeline
    beta = np.ones(len(time))
    start, end = clip_windows("midpoints", time, group, beta, ALPHA)
    for row in range(len(time) - 1):
        if group[row] == group[row + 1]:
            same = time[row] == time[row + 1]
            assert (start[row], end[row]) == (start[row + 1], end[row + 1]) if same else end[row] == start[row + 1]


def test_no_rows():
    none = np.array([])
    for name in WINDOWS:
        start, end = clip_windows(name, none, none.astype(np.int64), none, ALPHA)
        assert len(start) == len(end) == 0


def test_clamp():
    start, end = clamp(np.array([-1.0, 2.0, 9.0, 12.0]), np.array([1.0, 3.0, 11.0, 13.0]), np.full(4, 10.0))
    assert start.tolist() == [0, 2, 9, 12]
    assert end.tolist() == [1, 3, 10, 10]


@given(*[st.integers(0, 10)] * 4)
def test_overlap_ratio_against_counting(a, b, c, d):
    first, second = set(range(min(a, b), max(a, b))), set(range(min(c, d), max(c, d)))
    expected = len(first & second) / len(first | second) if first | second else 0.0
    bounds = [np.array([float(value)]) for value in (min(a, b), max(a, b), min(c, d), max(c, d))]
    assert overlap_ratio(*bounds)[0] == pytest.approx(expected)


@pytest.mark.parametrize("config", [EgoClipConfig, EgoMCQConfig])
@pytest.mark.parametrize(
    "wrong", [{"window": "egoclips"}, {"alpha": 0}, {"alpha": -1.0}, {"alpha": float("nan")}, {"alpha": "4.9"}]
)
def test_a_wrong_setting_is_refused(config, wrong):
    with pytest.raises(InputError) as error:
        config(**wrong)
    assert str(next(iter(wrong.values()))) in str(error.value)


# comparing strategies


def test_covered_by_next():
    start, end = np.array([0.0, 1.0, 1.0, 0.0, 5.0]), np.array([2.0, 3.0, 1.0, 4.0, 6.0])
    # the half of row 0, nothing of row 1 (row 2 is empty), row 2 has no length, nothing of row 3
    assert covered_by_next(start, end, np.array([0, 0, 0, 1, 1])) == pytest.approx((0.5 + 0 + 0) / 3)
    assert covered_by_next(start[:1], end[:1], np.array([0])) == 0.0


@pytest.fixture
def gold_root(tmp_path):
    """One video, narrated at 2, 4, 10 s, with gold segments that only some strategies meet."""
    folder = tmp_path / "v2" / "annotations"
    folder.mkdir(parents=True)
    narrations = [{"timestamp_sec": t, "narration_text": "#C C opens the door"} for t in (2.0, 4.0, 10.0)]
    (folder / "narration.json").write_text(json.dumps({"u": {"narration_pass_1": {"narrations": narrations}}}))
    (tmp_path / "ego4d.json").write_text(json.dumps({"videos": [{"video_uid": "u", "duration_sec": 11.0}]}))
    gold = pd.DataFrame(
        {
            "video_uid": "u",
            "narration_source": "narration_pass_1",
            "narration_ind": [0, 2],
            "gold_start": [0.0, 7.0],
            "gold_stop": [3.0, 8.0],
        }
    )
    gold.to_csv(tmp_path / "gold.csv", index=False)
    return tmp_path


def test_compare_windows_with_gold(gold_root):
    table = compare_windows(Ego4DSource(gold_root), gold_root / "gold.csv").set_index("strategy")
    assert tuple(table.index) == tuple(WINDOWS)
    assert (table["gold_clips"] == 2).all()
    midpoints = table.loc["midpoints"]  # [0, 3], [3, 7], [7, 11]
    assert midpoints["seconds"] == pytest.approx(11 / 3)
    assert midpoints["covered_by_next"] == 0
    assert midpoints["iou"] == pytest.approx((1 + 1 / 4) / 2)
    assert midpoints["hit"] == 1
    half = 4 / (2 * PUBLISHED_ALPHA)
    assert table.loc["egoclip", "seconds"] == pytest.approx(2 * half)
    assert table.loc["egoclip", "hit"] == 0.5
    assert table.loc["egoclip", "iou"] == pytest.approx(2 * half / 3 / 2)


def test_compare_windows_without_gold(gold_root):
    table = compare_windows(Ego4DSource(gold_root))
    assert list(table.columns) == ["strategy", "clips", "seconds", "covered_by_next"]


@pytest.mark.parametrize(
    ("content", "tells"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"video_uid,narration_source,narration_ind,gold_start\n", "gold_stop"),
        (b"video_uid,narration_source,narration_ind,gold_start,gold_stop\nx,narration_pass_1,0,1,2\n", "none"),
    ],
)
def test_a_gold_file_that_cannot_serve_is_refused(gold_root, content, tells):
    path = gold_root / "other.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=tells) as error:
        compare_windows(Ego4DSource(gold_root), path)
    assert str(path) in str(error.value)
