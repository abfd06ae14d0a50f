import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.curation.clips import negatives
from egocurate.curation.clips.class_sets import share, signatures, with_none
from egocurate.curation.clips.negatives import ClipArrays, nearby_negatives, neighbourhoods

classes = st.sets(st.sampled_from([0, 1, 2, 64, 65]), max_size=2)
clip = st.tuples(
    st.integers(0, 2),  # video
    st.integers(0, 1),  # pass
    st.integers(0, 60),  # time in quarter seconds, so that gaps are exact
    st.integers(1, 6),  # half width in quarter seconds
    st.integers(0, 5),  # text
    classes,
    classes,
)


def ragged(sets):
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return np.array([value for one in sets for value in sorted(one)], dtype=np.int64), offsets


def arrays(clips):
    columns = list(zip(*clips, strict=True)) or [()] * 7
    video, source, time, half, text = (np.array(column, dtype=np.int64) for column in columns[:5])
    seconds, width = time / 4.0, half / 4.0
    start = np.maximum(seconds - width, 0)
    return ClipArrays(video, source, seconds, start, seconds + width, text, ragged(columns[5]), ragged(columns[6]))


def brute_force(clips, k, max_sec):
    found = []
    for a, (video, source, time, half, text, verbs, nouns) in enumerate(clips):
        window = max(time - half, 0), time + half
        row = []
        for b, (video_b, source_b, time_b, half_b, text_b, verbs_b, nouns_b) in enumerate(clips):
            window_b = max(time_b - half_b, 0), time_b + half_b
            gap = abs(time - time_b) / 4.0
            if a == b or video != video_b or gap > max_sec or text == text_b or window == window_b:
                continue
            if verbs & verbs_b and nouns & nouns_b:
                continue
            overlap = window[0] < window_b[1] and window_b[0] < window[1]
            if source != source_b and (overlap or gap <= 1.0):
                continue
            row.append((gap, b))
        found.append([b for _, b in sorted(row)[:k]])
    return found


def as_lists(result):
    values, offsets = result
    return [values[start:end].tolist() for start, end in itertools.pairwise(offsets)]


@settings(max_examples=300, deadline=None)
@given(st.lists(clip, max_size=30), st.integers(0, 4), st.sampled_from([0.0, 1.0, 5.25, 60.0]))
def test_nearby_negatives_are_the_brute_force_ones(clips, k, max_sec):
    assert as_lists(nearby_negatives(arrays(clips), k, max_sec)) == brute_force(clips, k, max_sec)


def test_many_chunks_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    clips = [
        (
            *map(int, rng.integers([0, 0, 0, 1, 0], [3, 2, 200, 7, 40])),
            set(rng.integers(0, 4, 1)),
            set(rng.integers(0, 4, 1)),
        )
        for _ in range(300)
    ]
    monkeypatch.setattr(negatives, "_CHUNK", 17)
    assert as_lists(nearby_negatives(arrays(clips), 5, 20.0)) == brute_force(clips, 5, 20.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 999)), max_size=40), st.sampled_from([0.5, 60.0]))
def test_neighbourhoods_number_video_and_slot_in_order(rows, slot):
    video = np.array([one for one, _ in rows], dtype=np.int64)
    time = np.array([at / 4.0 for _, at in rows], dtype=np.float64)
    keys = [(one, at // slot) for one, at in zip(video.tolist(), time.tolist(), strict=True)]
    names = sorted(set(keys))
    assert neighbourhoods(video, time, slot).tolist() == [names.index(key) for key in keys]


@given(st.lists(st.tuples(classes, classes), min_size=1, max_size=12))
def test_tag_sets(pairs):
    left, right = ragged([a for a, _ in pairs] + [b for _, b in pairs]), np.arange(len(pairs))
    shared = share(left, right, right + len(pairs))
    assert shared.tolist() == [bool(a & b) for a, b in pairs]
    marks = signatures(left)
    assert not np.any(shared & (marks[: len(pairs)] & marks[len(pairs) :] == 0))
    none = share(with_none(left), right, right + len(pairs))
    assert none.tolist() == [bool(a & b) or not (a or b) for a, b in pairs]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_choose_from(count):
    values, offsets = nearby_negatives(arrays([(0, 0, 0, 1, 0, {1}, {1})][:count]), 8, 60.0)
    assert len(values) == 0 and offsets.tolist() == [0] * (count + 1)
