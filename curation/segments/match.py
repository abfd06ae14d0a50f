"""Which clip each of many segments is: the one with its start and end, else the one that it overlaps most. Pure."""

from __future__ import annotations

import numpy as np

from egocurate.curation.clips.windows import overlap_ratio

SAME_SEC = 1e-3
"""How far starts and ends of one clip may be apart: files round them to milliseconds."""

_PAIRS_AT_ONCE = 1 << 20


def match_segments(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
    segments: tuple[np.ndarray, np.ndarray, np.ndarray],
    min_overlap: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return M matches as rows of segments and rows of clips, int64[M], and which are exact, bool[M].

    clips and segments: number of the video int64[N], start and end float64[N] seconds. A segment is every clip of its
    video with its start and end, as two annotators may have one window; without such a clip it is the one with the
    largest intersection over union, the first of several, if that is `min_overlap` at least; else it has no match.
    """
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))]
    by_clip, by_segment = (np.argsort(part[0], kind="stable") for part in (clips, segments))
    for video in np.intersect1d(clips[0], segments[0]):
        of_clips, of_segments = (
            order[slice(*np.searchsorted(part[0][order], [video, video + 1]))]
            for part, order in ((clips, by_clip), (segments, by_segment))
        )
        step = max(1, _PAIRS_AT_ONCE // len(of_clips))
        for first in range(0, len(of_segments), step):
            rows = of_segments[first : first + step]
            found.append(_match(clips, of_clips, segments, rows, min_overlap))
    segment, clip, is_exact = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((clip, segment))
    return segment[order], clip[order], is_exact[order]


def _match(
    clips: tuple[np.ndarray, np.ndarray, np.ndarray],
    of_clips: np.ndarray,
    segments: tuple[np.ndarray, np.ndarray, np.ndarray],
    rows: np.ndarray,
    min_overlap: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match some segments of one video with all of its clips."""
    start, end = clips[1][of_clips], clips[2][of_clips]
    pairs = [np.broadcast_to(part[rows][:, None], (len(rows), len(of_clips))) for part in segments[1:]]
    exact = (np.abs(pairs[0] - start) <= SAME_SEC) & (np.abs(pairs[1] - end) <= SAME_SEC)
    ratio = overlap_ratio(
        *(part.ravel() for part in pairs), np.tile(start, len(rows)), np.tile(end, len(rows))
    ).reshape(exact.shape)
    best = ratio.argmax(axis=1)
    each = np.arange(len(rows))
    overlaps = ~exact.any(axis=1) & (ratio[each, best] >= min_overlap) & (ratio[each, best] > 0)
    segment, clip = np.nonzero(exact)
    return (
        np.concatenate([rows[segment], rows[overlaps]]),
        np.concatenate([of_clips[clip], of_clips[best[overlaps]]]),
        np.repeat([True, False], [len(segment), int(overlaps.sum())]),
    )
