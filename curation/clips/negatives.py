"""Hard negatives: clips of the same minute that show another thing. Pure functions over arrays, N clips."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egocurate.curation.clips.class_sets import Ints, Ragged, share, signatures

Floats = NDArray[np.float64]

SAME_MOMENT_SEC = 1.0  # two annotators put one event up to about this far apart
_CHUNK = 1 << 17  # anchors worked on at a time: bounds memory


@dataclass(frozen=True)
class ClipArrays:
    """Columns of N clips in the order of their table; times in seconds; tags ragged (values [M], offsets [N + 1])."""

    video: Ints
    source: Ints  # number of the narration pass
    time: Floats
    start: Floats
    end: Floats
    text: Ints  # equal for equal normalized texts
    verbs: Ragged
    nouns: Ragged


def neighbourhoods(video: Ints, time: Floats, slot_sec: float = 60.0) -> Ints:
    """Number the (video, time slot) pairs of N clips in the order of video number, then slot: EgoVLP's 60 s bins."""
    slot = np.floor_divide(time, slot_sec)
    order = np.lexsort((slot, video))
    new = np.zeros(len(order), dtype=np.int64)
    new[1:] = (np.diff(video[order]) != 0) | (np.diff(slot[order]) != 0)
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(new)
    return numbers


def nearby_negatives(clips: ClipArrays, k: int, max_sec: float) -> Ragged:
    """Return for each clip the rows of its up to `k` nearest negatives, nearest first, ties by row, as values, offsets.

    A negative is of the same video and at most `max_sec` away. It is not the clip itself and shares neither the
    normalized text, nor the window, nor both a verb and a noun with it; nor is it the other annotator's word for the
    same moment: of another pass and overlapping, or within 1 s.
    """
    count = len(clips.video)
    walk = _Walk(clips)
    marks = signatures(clips.verbs), signatures(clips.nouns)
    negatives = np.full((count, k), -1, dtype=np.int32)
    for begin in range(0, count, _CHUNK) if k else ():
        _fill(clips, walk, marks, walk.forward[begin : begin + _CHUNK], negatives, max_sec)
    filled = negatives >= 0
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(filled.sum(axis=1), out=offsets[1:])
    return negatives[filled].astype(np.int64), offsets


class _Walk:
    """Rows of each video by time, forward and backward (equal times by row in both), and where a row's walks begin."""

    def __init__(self, clips: ClipArrays) -> None:
        count = len(clips.video)
        self.forward = np.lexsort((clips.time, clips.video))
        self.backward = np.lexsort((-clips.time, clips.video))
        self.right = np.empty(count, dtype=np.int64)  # in `forward`: the first row at the same time or later
        self.left = np.empty(count, dtype=np.int64)  # in `backward`: the first row that is earlier
        self.end = np.empty(count, dtype=np.int64)  # in both: the end of the row's video
        for order, where, at_end in ((self.forward, self.right, False), (self.backward, self.left, True)):
            video, time = clips.video[order], clips.time[order]
            begins = np.flatnonzero(np.r_[True, (np.diff(video) != 0) | (np.diff(time) != 0)][:count])
            bounds = np.r_[begins, count]
            group = np.repeat(np.arange(len(begins)), np.diff(bounds))
            where[order] = bounds[group + at_end]
            ends = np.r_[np.flatnonzero(np.diff(video)) + 1, count]
            self.end[order] = ends[np.searchsorted(ends, np.arange(count), side="right")] if count else 0


def _fill(
    clips: ClipArrays, walk: _Walk, marks: tuple[NDArray, NDArray], anchors: Ints, negatives: Ints, max_sec: float
) -> None:
    """Walk outwards in time from all anchors at once, a candidate a step, until each has its negatives or runs out."""
    right, left, end, time = walk.right[anchors], walk.left[anchors], walk.end[anchors], clips.time[anchors]
    counts = np.zeros(len(anchors), dtype=np.int64)
    while len(anchors):
        later, gap_later = _candidate(clips, walk.forward, right, end, time)
        earlier, gap_earlier = _candidate(clips, walk.backward, left, end, time)
        forward = (gap_later < gap_earlier) | ((gap_later == gap_earlier) & (later < earlier))
        other, gap = np.where(forward, later, earlier), np.where(forward, gap_later, gap_earlier)
        near = gap <= max_sec
        chosen = np.flatnonzero(near)
        chosen = chosen[_is_negative(clips, marks, anchors[chosen], other[chosen])]
        negatives[anchors[chosen], counts[chosen]] = other[chosen]
        counts[chosen] += 1
        right, left = right + forward, left + ~forward
        more = np.flatnonzero(near & (counts < negatives.shape[1]))
        anchors, right, left, end, time, counts = (part[more] for part in (anchors, right, left, end, time, counts))


def _candidate(clips: ClipArrays, order: Ints, at: Ints, end: Ints, time: Floats) -> tuple[Ints, Floats]:
    inside = at < end
    row = order[np.where(inside, at, 0)]
    return row, np.where(inside, np.abs(clips.time[row] - time), np.inf)


def _is_negative(clips: ClipArrays, marks: tuple[NDArray, NDArray], a: Ints, b: Ints) -> NDArray[np.bool_]:
    start_a, start_b, end_a, end_b = clips.start[a], clips.start[b], clips.end[a], clips.end[b]
    overlap = (start_a < end_b) & (start_b < end_a)
    same_moment = overlap | (np.abs(clips.time[a] - clips.time[b]) <= SAME_MOMENT_SEC)
    good = (a != b) & (clips.text[a] != clips.text[b]) & ((start_a != start_b) | (end_a != end_b))
    good &= (clips.source[a] == clips.source[b]) | ~same_moment
    verbs, nouns = marks
    doubtful = np.flatnonzero(good & (verbs[a] & verbs[b] != 0) & (nouns[a] & nouns[b] != 0))
    doubtful = doubtful[share(clips.verbs, a[doubtful], b[doubtful])]
    good[doubtful[share(clips.nouns, a[doubtful], b[doubtful])]] = False
    return good
