"""How the clips of one folder find those of another: against a loop over all pairs."""

import numpy as np
import pyarrow as pa
import pytest

from egocurate.commands.report import found
from egocurate.commands.report.found import find_clips


def table(rows):
    names = ("video_uid", "clip_start", "clip_end")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def invented(rng, videos, count):
    start = rng.uniform(0, 50, count)
    return [
        (str(rng.choice(videos)), a, a + length) for a, length in zip(start, rng.uniform(0.1, 9, count), strict=True)
    ]


def by_pairs(of, by):
    shared = {row[0] for row in of} & {row[0] for row in by}
    ratios, shares = [], []
    for video, start, end in of:
        if video in shared:
            ones = [(min(end, e) - max(start, s), e - s) for v, s, e in by if v == video]
            ratios.append(max(max(both, 0) / (end - start + length - max(both, 0)) for both, length in ones))
            shares.append(max(max(both, 0) / (end - start) for both, _ in ones))
    return ratios, shares


@pytest.mark.parametrize("pairs_at_once", [7, 1 << 20])
def test_every_clip_has_its_best_overlap(pairs_at_once, monkeypatch):
    monkeypatch.setattr(found, "_PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(3)
    of, by = invented(rng, ["a", "b", "c"], 40), invented(rng, ["b", "c", "d"], 60)
    result = find_clips(table(of), table(by))
    ratios, shares = by_pairs(of, by)
    assert result.videos == 2
    assert result.ratio.tolist() == pytest.approx(ratios) and result.share.tolist() == pytest.approx(shares)


def test_the_line_says_what_is_met_covered_and_fitted():
    of = table([("a", 0.0, 2.0), ("a", 4.0, 6.0), ("a", 9.0, 10.0), ("only here", 0.0, 1.0)])
    by = table([("a", 0.0, 3.0), ("a", 5.5, 7.5)])
    assert find_clips(of, by).line("B") == (
        "Of 3 clips in 1 videos of both, a clip of B meets 66.7%, covers 33.3% whole, and overlaps 33.3% by an IoU of "
        "0.5 or more; the best IoU is 0.270 on average, median 0.143."
    )


def test_without_a_video_in_common_nothing_is_found():
    result = find_clips(table([("a", 0.0, 2.0)]), table([("b", 0.0, 3.0)]))
    assert (result.videos, len(result.ratio)) == (0, 0)
