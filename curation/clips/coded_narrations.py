"""The narrations of a run as numbers: rows in the order of the clips, in blocks of whole videos, each string once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.config import ScoreRange
from egocurate.curation.sources import SCORE_PREFIX, SEGMENT_COLUMNS, SPLIT_COLUMN
from egocurate.curation.sources.splits import HELD_OUT
from egocurate.curation.text.marks import clean_text
from egocurate.curation.text.text_columns import are_unsure, name_nobody, word_counts
from egocurate.errors import InputError

BLOCK_ROWS = 250_000
"""Narrations of a block, and those that its last video has beyond: what is worked on at a time, which bounds memory."""

_TEXTS_AT_ONCE = 100_000


class CodedNarrations:
    """All narrations, ordered by video, pass, time and position.

    `videos` and `sources` are the names in their order, `texts` the distinct texts, cleaned: what is a code below is a
    row of one of them. `blocks` are stretches of the order, each of whole videos and about BLOCK_ROWS narrations. One
    takes some 20 bytes here, and nothing else of it is in memory before its block is asked for.
    """

    def __init__(
        self, narrations: pd.DataFrame, videos: pd.DataFrame, score_ranges: Sequence[ScoreRange] | None = None
    ) -> None:
        """Number the strings, look each video up in the table of videos, and judge the scores.

        Raises InputError for a range of a score that the narrations do not have.
        """
        video, uids = pd.factorize(narrations["video_uid"], sort=True)
        source, sources = pd.factorize(narrations["narration_source"], sort=True)
        self.videos, self.sources = list(uids), list(sources)
        self._video, self._source = video.astype(np.int32), source.astype(np.int32)
        self._index = narrations["narration_ind"].to_numpy(np.int64)
        self._time = narrations["narration_time"].to_numpy(np.float64)
        given = [name for name in SEGMENT_COLUMNS if name in narrations.columns]
        self._segment = {name: narrations[name].to_numpy(np.float64) for name in given}
        self._split = narrations[SPLIT_COLUMN].astype("category") if SPLIT_COLUMN in narrations.columns else None
        self._scores_out = out_of_range(narrations, score_ranges or ())
        raw, distinct = pd.factorize(narrations["narration_text"])
        cleaned, self.texts = _cleaned(distinct)
        self._text = cleaned.astype(np.int32)[raw]
        del raw, distinct, cleaned
        pa.default_memory_pool().release_unused()
        self._words, self._unsure = word_counts(self.texts), are_unsure(self.texts)
        if self._segment:  # "wash hands" is as long a text as "#C C washes hands": whoever has the segment does it
            self._words = self._words + (name_nobody(self.texts) & (self._words > 0))
        self._facts = videos
        self._place = pd.Index(videos["video_uid"]).get_indexer(pd.Index(uids))
        self._redacted = list(videos["redacted"])
        self.blocks = _blocks(np.bincount(self._video, minlength=len(self.videos)))
        self._order = self._ordered()

    def __len__(self) -> int:
        """Return the number of narrations."""
        return len(self._video)

    def frame(self, block: slice) -> pd.DataFrame:
        """Return the narrations of a block: codes `video`, `source`, `text`; narration_ind, narration_time, video_dur.

        `group` numbers the passes, by video and source, `row` is the narration's place in what was read. Narrations of
        segments have start_sec and end_sec, too.
        """
        rows = self._order[block]
        video, source = self._video[rows].astype(np.int64), self._source[rows].astype(np.int64)
        columns = {
            "video": video,
            "source": source,
            "group": video * max(len(self.sources), 1) + source,
            "narration_ind": self._index[rows],
            "narration_time": self._time[rows],
            "text": self._text[rows].astype(np.int64),
            "video_dur": self._of_videos("video_dur", self._place[video], np.nan),
            "row": rows.astype(np.int64),
        } | {name: seconds[rows] for name, seconds in self._segment.items()}
        return pd.DataFrame(columns)

    def rows(self, chosen: np.ndarray) -> np.ndarray:
        """Return which of the narrations that were read are chosen, bool[N] in order."""
        return self._order[chosen]

    def facts(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a block's frame with what the filters read besides: see `curation.clips.filters`."""
        place, text, time = self._place[frame["video"]], frame["text"].to_numpy(), frame["narration_time"].to_numpy()
        return frame.assign(
            words=self._words[text],
            unsure=self._unsure[text],
            split=self._split_of(frame["row"].to_numpy(), place),
            fho_multi=self._of_videos("fho_multi", place, False),
            is_stereo=self._of_videos("is_stereo", place, False),
            width=self._of_videos("width", place, 0),
            height=self._of_videos("height", place, 0),
            redacted=inside_intervals(time, place, self._redacted),
            scores_out=self._scores_out[frame["row"].to_numpy()],
        )

    def _split_of(self, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Return the split of each row: its own where it has one, but a video that is held out is so as a whole."""
        of_video = self._of_videos("split", place, "")
        if self._split is None:
            return of_video
        own = self._split.iloc[rows].to_numpy(object)
        return np.where(pd.Series(of_video).isin(HELD_OUT) | (own == ""), of_video, own)

    def _of_videos(self, name: str, place: np.ndarray, unknown: object) -> np.ndarray:
        """Look up a fact of each row's video; `place` is its row, -1 for a video that nobody knows."""
        values = self._facts[name].to_numpy()
        return np.append(values, np.array([unknown], values.dtype))[place]

    def _ordered(self) -> np.ndarray:
        """Return the rows in order, int32[N], sorted a block of videos at a time."""
        if (np.diff(self._video) >= 0).all():
            order = np.arange(len(self), dtype=np.int32)
        else:
            order = np.argsort(self._video, kind="stable").astype(np.int32)
        for block in self.blocks:
            rows = order[block]
            by = (self._index[rows], self._time[rows], self._source[rows], self._video[rows])
            order[block] = rows[np.lexsort(by)]
        return order


def _blocks(counts: np.ndarray) -> list[slice]:
    """Part the order after the videos that fill a block, given the narrations of each video, int64[videos]."""
    blocks, ends, begin = [], np.cumsum(counts), 0
    while len(ends) and begin < ends[-1]:
        last = int(np.searchsorted(ends, begin + BLOCK_ROWS))
        end = int(ends[min(last, len(ends) - 1)])
        blocks.append(slice(begin, end))
        begin = end
    return blocks


def out_of_range(narrations: pd.DataFrame, ranges: Sequence[ScoreRange]) -> np.ndarray:
    """Tell which narrations have a score that is out of its range or not known, bool[N].

    Raises InputError for a score that there is not.
    """
    out = np.zeros(len(narrations), bool)
    for name, least, most in ranges:
        if SCORE_PREFIX + name not in narrations.columns:
            there = [column.removeprefix(SCORE_PREFIX) for column in narrations if column.startswith(SCORE_PREFIX)]
            raise InputError(f"there is no score {name!r} of these clips (there are {', '.join(there) or 'none'})")
        score = narrations[SCORE_PREFIX + name].to_numpy(np.float64)
        out |= ~((score >= (-np.inf if least is None else least)) & (score <= (np.inf if most is None else most)))
    return out


def inside_intervals(
    time: np.ndarray, row: np.ndarray, intervals: Sequence[Sequence[tuple[float, float]]]
) -> np.ndarray:
    """Tell for each time whether it is inside an interval of its video, ends included.

    time float64[N] seconds, row int64[N] the video's place in `intervals` or -1; intervals may overlap, in any order.
    """
    inside = np.zeros(len(time), bool)
    listed = [i for i in np.unique(row) if i >= 0 and len(intervals[i])]
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], listed, "left")
    last = np.searchsorted(row[order], listed, "right")
    for video, begin, end in zip(listed, first, last, strict=True):
        at = order[begin:end]
        for start, stop in intervals[video]:
            inside[at] |= (time[at] >= start) & (time[at] <= stop)
    return inside


def strings(texts: pa.Array) -> Iterator[str]:
    """Yield the texts of a column, of which a part at a time is Python's strings, twice the size of Arrow's."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        yield from texts.slice(start, _TEXTS_AT_ONCE).to_pylist()


def _cleaned(texts: pd.Index | np.ndarray) -> tuple[np.ndarray, pa.LargeStringArray]:
    """Clean texts; returns which of the distinct ones each is, and these in the order in which they come."""
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = [pa.array(map(clean_text, texts[at : at + _TEXTS_AT_ONCE]), pa.large_string()) for at in starts]
    chunks = pa.chunked_array(parts, pa.large_string()).dictionary_encode().chunks  # of one dictionary
    codes = np.concatenate([np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in chunks)])
    return codes, chunks[0].dictionary if chunks else pa.array([], pa.large_string())
