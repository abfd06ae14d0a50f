import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.clips.coded_narrations import inside_intervals, out_of_range
from egocurate.curation.clips.filters import FILTERS
from egocurate.curation.clips.selection import first_filter
from egocurate.curation.config import DEFAULT_FILTERS, REQUIRED_FILTERS, EgoClipConfig, EgoMCQConfig, ScoreRange
from egocurate.errors import InputError

GOOD = {
    "narration_time": 5.0,
    "words": 4,
    "unsure": False,
    "video_dur": 60.0,
    "split": "train",
    "fho_multi": False,
    "is_stereo": False,
    "width": 1920,
    "height": 1080,
    "redacted": False,
    "scores_out": False,
    "clip_start": 4.0,
    "clip_end": 6.0,
    "least_clip_sec": 0.5,
}

CAUGHT = {
    "bad_time": [{"narration_time": value} for value in (np.nan, np.inf, -0.001)],
    "no_video": [{"video_dur": value} for value in (np.nan, 0.0)],
    "val_test": [{"split": "val"}, {"split": "test"}],
    "fho_multi": [{"fho_multi": True}],
    "stereo": [{"is_stereo": True}],
    "wide": [{"width": 2161}, {"is_stereo": True, "width": 4321}],
    "empty": [{"words": 0}],
    "min_words": [{"words": 2}],
    "unsure": [{"unsure": True}],
    "beyond_video": [{"narration_time": 60.001}],
    "redacted": [{"redacted": True}],
    "scores": [{"scores_out": True}],
    "empty_window": [{"clip_end": 4.0}, {"clip_end": 3.0}, {"clip_start": np.nan}],
    "min_clip_seconds": [{"clip_end": 4.4}],
}
SPARED = {
    "bad_time": [{"narration_time": 0.0}],
    "val_test": [{"split": ""}],
    "wide": [{"width": 2160}, {"width": 0, "height": 0}, {"is_stereo": True, "width": 4320}],
    "min_words": [{"words": 3}],
    "beyond_video": [{"narration_time": 60.0}],
    "min_clip_seconds": [{"clip_end": 4.5}],
}


def masks(name, changes):
    return FILTERS[name](pd.DataFrame([GOOD, *(GOOD | change for change in changes)])).tolist()


def test_all_but_two_filters_are_on_by_default_in_their_order():
    assert [name for name in FILTERS if name not in ("fho_multi", "scores")] == list(DEFAULT_FILTERS)
    assert set(REQUIRED_FILTERS) < set(DEFAULT_FILTERS)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_says_in_a_line_what_it_takes_out(name):
    assert FILTERS[name].__name__ == name
    assert FILTERS[name].__doc__.endswith(".") and "\n" not in FILTERS[name].__doc__


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_takes_out_what_it_names_and_nothing_else(name):
    assert masks(name, CAUGHT[name]) == [False] + [True] * len(CAUGHT[name])
    assert masks(name, SPARED.get(name, [])) == [False] * (1 + len(SPARED.get(name, [])))


def test_no_length_is_too_short_by_default():
    frame = pd.DataFrame([GOOD | {"clip_end": 4.000001, "least_clip_sec": EgoClipConfig().min_clip_seconds}])
    assert not FILTERS["min_clip_seconds"](frame).any()


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1), st.sets(st.sampled_from("abc")))
def test_the_first_reason_wins(rows, on):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    filters = {name: (lambda frame, name=name: frame[name].to_numpy()) for name in "abc"}
    expected = [next((name for name, hit in zip("abc", row, strict=True) if hit and name in on), "") for row in rows]
    places = first_filter(frame, filters, tuple(on))
    assert [["", *filters][place] for place in places] == expected


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 3)), max_size=20),
    st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=3), min_size=4, max_size=4),
)
def test_inside_intervals_against_brute_force(points, intervals):
    time = np.array([float(time) for time, _ in points])
    row = np.array([row for _, row in points], np.int64)
    expected = [row >= 0 and any(start <= time <= end for start, end in intervals[row]) for time, row in points]
    assert inside_intervals(time, row, intervals).tolist() == expected


def test_a_score_out_of_its_range_or_unknown_is_found():
    narrations = pd.DataFrame({"score_sharp": [0.1, 0.5, 0.9, np.nan], "score_flow": [1.0, 2.0, 30.0, 3.0]})
    ranges = [ScoreRange("sharp", least=0.5), ScoreRange("flow", 0, 20)]
    assert out_of_range(narrations, ranges).tolist() == [True, False, True, True]
    assert out_of_range(narrations, []).tolist() == [False] * 4
    with pytest.raises(InputError, match=r"there is no score 'blur' of these clips \(there are sharp, flow\)"):
        out_of_range(narrations, [ScoreRange("blur", least=0)])


def test_ranges_and_their_filter_go_together():
    for config in ({"score_ranges": (ScoreRange("a", 1),)}, {"filters": (*DEFAULT_FILTERS, "scores")}):
        with pytest.raises(InputError, match="give both or neither"):
            EgoClipConfig(**config)


def test_an_unknown_filter_is_refused():
    with pytest.raises(InputError, match="'val-test'"):
        EgoClipConfig(filters=(*DEFAULT_FILTERS, "val-test"))


@pytest.mark.parametrize("name", REQUIRED_FILTERS)
def test_what_a_clip_cannot_be_without_stays_on(name):
    with pytest.raises(InputError, match=name):
        EgoClipConfig(filters=tuple(other for other in DEFAULT_FILTERS if other != name))


@pytest.mark.parametrize(
    "wrong", [{"min_clip_seconds": -1.0}, {"min_clip_seconds": float("nan")}, {"negatives_per_clip": -1}]
)
def test_a_wrong_number_is_refused(wrong):
    with pytest.raises(InputError):
        EgoClipConfig(**wrong)


def test_clips_of_questions_are_made_as_egoclips_but_from_any_split():
    clips = EgoMCQConfig(window="midpoints", alpha=3.0).clips()
    assert (clips.window, clips.alpha) == ("midpoints", 3.0)
    assert set(DEFAULT_FILTERS) - set(clips.filters) == {"val_test"}


@pytest.mark.parametrize("wrong", [{"videos": "train"}, {"inter": -1}, {"inter": 0, "intra": 0}])
def test_impossible_questions_are_refused(wrong):
    with pytest.raises(InputError):
        EgoMCQConfig(**wrong)
