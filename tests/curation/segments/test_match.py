import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.clips.windows import overlap_ratio
from egocurate.curation.segments.match import SAME_SEC, match_segments


def arrays(rows):
    video, start, length = (np.array(part) for part in zip(*rows, strict=True))
    return video.astype(np.int64), start.astype(float), start + length


# Tenths of a second, so that equal times come by chance.
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30).map(lambda n: n / 10), st.integers(1, 20).map(lambda n: n / 10)),
    min_size=1,
    max_size=12,
)


@given(ROWS, ROWS, st.sampled_from([0.3, 0.5, 1.0]))
def test_each_segment_is_its_exact_clips_or_the_one_it_overlaps_most(clips, segments, min_overlap):
    clips, segments = arrays(clips), arrays(segments)
    expected = []
    for row in range(len(segments[0])):
        same = [n for n in range(len(clips[0])) if clips[0][n] == segments[0][row]]
        exact = [n for n in same if all(abs(clips[i][n] - segments[i][row]) <= SAME_SEC for i in (1, 2))]
        if exact:
            expected += [(row, n, True) for n in exact]
            continue
        ratios = [
            overlap_ratio(*(np.array([v]) for v in (clips[1][n], clips[2][n], segments[1][row], segments[2][row])))[0]
            for n in same
        ]
        if ratios and max(ratios) >= min_overlap:
            expected.append((row, same[int(np.argmax(ratios))], False))
    found = match_segments(clips, segments, min_overlap)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_rounded_times_are_the_same_and_shifted_ones_overlap():
    clips = arrays([(0, 1.0, 2.0), (0, 5.0, 2.0), (1, 1.0, 2.0)])
    segments = arrays([(0, 1.0004, 2.0), (0, 5.2, 2.0), (0, 9.0, 1.0), (7, 1.0, 2.0)])
    segment, clip, is_exact = match_segments(clips, segments, 0.5)
    assert (segment.tolist(), clip.tolist(), is_exact.tolist()) == ([0, 1], [0, 1], [True, False])
