"""Ranking: the best windows first, what belongs together as one hit, whatever the scores hold."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from egocurate.training.search.ranking import Windows, best_spans, score_windows


def windows(*counts):
    """Windows of 1 s, half a second apart, of one video after the other."""
    video = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    starts = np.concatenate([np.arange(count) * 0.5 for count in counts])
    return Windows(video, starts, starts + 1.0)


def spans(scores, of, top=10, **options):
    return [tuple(span)[:2] for span in best_spans(np.array(scores, np.float32), of, top, **options)]


def test_what_is_nearly_as_good_beside_the_best_belongs_to_it():
    scores = [0, 0, 0.7, 0.98, 1.0, 0.99, 0.6, 0, 0, 0, 0, 0.9, 0, 0]
    assert spans(scores, windows(14), top=2, fall=0.05) == [(3, 5), (11, 11)]


def test_what_overlaps_a_hit_is_none_and_what_touches_it_may_be_one():
    scores = [0, 0, 0, 0, 0.8, 1.0, 0.8, 0.7, 0, 0, 0, 0]
    assert spans(scores, windows(12), top=2, fall=0.0) == [(5, 5), (7, 7)]


def test_a_hit_ends_with_its_video():
    assert spans([0, 0, 0, 1.0, 1.0, 0, 0, 0], windows(4, 4), top=2) == [(3, 3), (4, 4)]


def test_rows_that_hold_no_numbers_are_never_hits():
    rows = torch.tensor([[0.1, 0.0], [float("nan"), 0.0], [float("inf"), 0.0], [0.9, 0.1]]).half()
    scores = score_windows(rows, torch.tensor([1.0, 0.0]))
    assert spans(scores, windows(1, 1, 1, 1)) == [(3, 3), (0, 0)]
    assert best_spans(np.full(3, -np.inf, np.float32), windows(3), 5) == []
    assert best_spans(np.empty(0, np.float32), windows(0), 5) == []


def test_scores_are_those_of_single_precision():
    rows = torch.nn.functional.normalize(torch.randn(300, 256, generator=torch.Generator().manual_seed(0)), dim=1)
    scores = score_windows(rows.half(), rows[7])
    np.testing.assert_allclose(scores, (rows @ rows[7]).numpy(), atol=2e-3)
    assert scores.argmax() == 7


@given(st.lists(st.lists(st.integers(0, 20), max_size=30), min_size=1, max_size=5), st.integers(1, 40))
def test_hits_are_those_of_plain_suppression(of_videos, top):
    """Against a loop over all windows: take the best that is left, grow it, strike out what overlaps it."""
    scores = np.array([value / 20 for video in of_videos for value in video], np.float32)
    every = windows(*map(len, of_videos))
    median = float(np.median(scores)) if len(scores) else 0.0
    left, wanted = set(range(len(scores))), []
    while left and len(wanted) < top:
        best = min(left, key=lambda place: (-scores[place], place))
        floor = scores[best] - 0.1 * max(0.0, scores[best] - median)
        first = last = best
        while first - 1 in left and every.video[first - 1] == every.video[best] and scores[first - 1] >= floor:
            first -= 1
        while last + 1 in left and every.video[last + 1] == every.video[best] and scores[last + 1] >= floor:
            last += 1
        start, end = every.start_sec[first], every.end_sec[last]
        left -= {
            place
            for place in left
            if every.video[place] == every.video[best] and every.start_sec[place] < end and every.end_sec[place] > start
        }
        wanted.append((first, last))
    assert spans(scores, every, top, fall=0.1) == wanted
