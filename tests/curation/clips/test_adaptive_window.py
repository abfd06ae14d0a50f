import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.clips.adaptive_window import Reach, reach, soft_minimum
from egocurate.curation.clips.selection import narrate, select_clips, windows
from egocurate.curation.clips.verb_durations import DATA, VerbDurations, fitted, verb_of
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.curation.clips.windows import clip_windows
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource

UNIT = Reach(before_gap=1, before_sec=2, before_verb=1, after_gap=0.5, after_mean_gaps=1, after_verb=2)
POSITIVE = st.floats(0.01, 1000)


def array(*values):
    return np.array(values, float)


def adaptive(times, verb=None, beta=4.0):
    time = array(*times)
    bounds = clip_windows("adaptive", time, np.zeros(len(time), int), np.full(len(time), beta), PUBLISHED_ALPHA, verb)
    return time - bounds[0], bounds[1] - time


# the rule


def test_reach_by_hand():
    before, after = reach(array(2, 6), array(4, 4), array(2, 2), array(1, 3), UNIT)
    # before: half of 2 and 2; 6 against 2 * 3.  after: 2 against 2; 2 against 2 * 9
    assert before.tolist() == pytest.approx([1, 3])
    assert after.tolist() == pytest.approx([1, 1.8])


@given(POSITIVE, POSITIVE)
def test_soft_minimum_lies_below_both_and_above_half_the_lesser(one, other):
    found = soft_minimum(array(one), array(other))[0]
    assert min(one, other) / 2 * (1 - 1e-9) <= found <= min(one, other)
    assert found == pytest.approx(soft_minimum(array(other), array(one))[0])


@given(*[st.tuples(POSITIVE, POSITIVE)] * 3, st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)))
def test_reach_rises_with_the_gaps_the_pace_and_the_verb(gap_before, gap_after, beta, verb):
    low, high = zip(*[sorted(pair) for pair in (gap_before, gap_after, beta, verb)], strict=True)
    short, long = (reach(*map(array, point), fitted().reach) for point in (low, high))
    assert 0 < short[0][0] <= long[0][0]
    assert 0 < short[1][0] <= long[1][0]


# the numbers that come with the package


def test_the_data_file_is_small_and_names_its_source():
    content = json.loads(DATA.read_text())
    assert DATA.stat().st_size < 8192
    assert "EPIC-KITCHENS-100" in content["source"]
    assert "fitted on" in content["source"]
    assert list(content["seconds"]) == sorted(content["seconds"])


def test_the_numbers_make_sense():
    numbers = fitted()
    assert all(0.5 < value < 20 for value in numbers.seconds.values())
    assert all(value > 0 for value in vars(numbers.reach).values())
    assert numbers.seconds["take"] < numbers.mean_sec < numbers.seconds["wash"]
    assert numbers.reach.after_gap <= 1  # the next narration is where the reach ends


# verbs of narrations


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("#C C takes the plate", "take"),
        ("#C C Takes, a plate", "take"),
        ("#O B took a plate", "take"),
        ("wash pan", "wash"),
        ("#C C is washing a pan", ""),  # the first word is no verb that is known
        ("#C C yodels", ""),
        ("#C C 12", ""),
        ("#unsure", ""),
        ("", ""),
    ],
)
def test_verb_of(text, verb):
    assert verb_of(text, {"take", "wash"}) == verb


def test_relative_durations():
    durations = VerbDurations(2.0, {"take": 1.0, "wash": 6.0}, UNIT)
    texts = ["#C C washes a pan", "#C C yodels loudly", "#C C takes it"]
    assert durations.relative(texts).tolist() == [3, 1, 0.5]
    assert durations.relative([]).shape == (0,)


# the strategy


def test_adaptive_by_hand():
    # The fitted numbers: a new fit may move these by a little, a new rule by more.
    before, after = adaptive([2, 4, 10])
    assert before.tolist() == pytest.approx([1.45, 1.26, 1.52], abs=0.15)
    assert after.tolist() == pytest.approx([1.55, 3.9, 2.85], abs=0.3)


def test_an_unknown_verb_is_the_mean_verb():
    times = [2, 4, 10]
    np.testing.assert_array_equal(adaptive(times), adaptive(times, np.ones(3)))


def test_a_longer_verb_gets_a_longer_clip():
    short, long = (adaptive([2, 4, 10], np.full(3, verb)) for verb in (0.5, 2.0))
    assert (short[0] < long[0]).all()
    assert (short[1] < long[1]).all()


@given(st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True), st.integers(-100, 100))
def test_a_shift_in_time_shifts_the_windows(quarters, shift):
    times = np.sort(quarters) / 4
    for there, here in zip(adaptive(times + shift), adaptive(times), strict=True):
        np.testing.assert_allclose(there, here, atol=1e-9)


def test_a_burst_keeps_the_window_of_egoclip():
    before, after = adaptive([10, 10.001, 10.002])
    assert before[1] == pytest.approx(4 / (2 * PUBLISHED_ALPHA))
    assert after[1] == pytest.approx(4 / (2 * PUBLISHED_ALPHA))


def test_a_long_silence_is_not_all_action():
    before, after = adaptive([0, 1000, 2000])
    assert before[1] < 2 * fitted().reach.before_sec
    assert after[1] < 20


def test_equal_times_share_their_neighbours():
    before, after = adaptive([2, 4, 4, 10])
    assert before[1] == before[2]
    assert after[1] == after[2]


# through the tables


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "v2" / "annotations"
    folder.mkdir(parents=True)
    texts = ("takes the plate", "washes the plate", "yodels a little song", "washes the plate")
    narrations = [{"timestamp_sec": 5.0 * at + 5, "narration_text": f"#C C {text}"} for at, text in enumerate(texts)]
    (folder / "narration.json").write_text(json.dumps({"u": {"narration_pass_1": {"narrations": narrations}}}))
    (tmp_path / "ego4d.json").write_text(json.dumps({"videos": [{"video_uid": "u", "duration_sec": 60.0}]}))
    return Ego4DSource(tmp_path)


def test_the_verb_of_a_narration_reaches_its_window(root):
    kept = select_clips(root.narrations(), root.videos(), EgoClipConfig(window="adaptive")).clips
    length = (kept["window_end"] - kept["window_start"]).to_numpy()
    assert length[0] < length[2] < length[1]
    assert length[1] == pytest.approx(length[3])
    before, after = adaptive([5, 10, 15, 20], fitted().relative(["takes", "washes", "yodels", "washes"]), beta=5.0)
    np.testing.assert_allclose(kept["window_start"], kept["narration_time"] - before, atol=1e-6)
    np.testing.assert_allclose(kept["window_end"], kept["narration_time"] + after, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in WINDOWS if name != "adaptive"])
def test_the_other_strategies_do_not_read_the_text(root, name):
    narrations = root.narrations()
    others = narrations.assign(narration_text="#C C yodels all day")
    found = [windows(narrate(frame, root.videos(), EgoClipConfig()), name) for frame in (narrations, others)]
    pd.testing.assert_frame_equal(*found)
