"""Segments as a source: each becomes a clip from its own start to its own end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from egocurate.curation.segments.class_columns import described, is_label, is_score
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources import CAPTION_COLUMNS, NARRATION_COLUMNS, SEGMENT_COLUMNS, SPLIT_COLUMN
from egocurate.curation.sources.scenes import scene_ids
from egocurate.curation.sources.splits import HELD_OUT
from egocurate.curation.sources.video_folders import NamedVideos, looked_in
from egocurate.curation.sources.videos_table import VideoFacts, probe_all, videos_table
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath


class SegmentSource:
    """Take what a reader of a data set gives, and look for its videos in `videos_dirs`, then beside the annotations.

    Raises InputError for a folder of videos that is not there.
    """

    splits_in = "the column split"
    segmented = True

    def __init__(self, segments: Segments, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.segments = segments
        self._files = NamedVideos(segments.beside, videos_dirs)

    def narrations(self) -> pd.DataFrame:
        """Return a row for each segment, with start and end, further captions, labels and scores; see `Source`."""
        table = self.segments.table.rename(columns={"text": "narration_text"})
        more = [name for name in table.columns if is_label(name) or is_score(name)]
        columns = [*NARRATION_COLUMNS, *SEGMENT_COLUMNS, *CAPTION_COLUMNS, SPLIT_COLUMN, *more]
        return table[columns].reset_index(drop=True)

    def videos(self) -> pd.DataFrame:
        """Return the videos of the segments in their order, probed where the duration is not given; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> Path | None:
        """Return the folder with the data set's own classes, None where they are built from the texts."""
        lexicon = self.segments.lexicon
        return None if lexicon is None else Path(lexicon)

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of every annotation file by its name."""
        files = {**self.segments.files, **self.segments.ego4d.files}
        return {name: fingerprint(path) for name, path in files.items()}

    def notes(self) -> list[str]:
        """Return how many segments and videos there are, and what was left out."""
        videos, count = self._videos, len(self.segments)
        on_disk = videos["path"].notna().sum()
        more = int(self.segments.table["captions"].map(len).sum())
        name, skipped = self.segments.path.name, self.segments.skipped
        notes = [f"{name} has {count:,} segments of {len(videos):,} videos, {on_disk:,} of them on disk"]
        if more:
            notes.append(f"{more:,} further captions of them")
        if skipped:
            notes.append(f"{skipped:,} entries are no segments and were left out")
        notes += described(self.segments.table)
        if self.segments.ego4d.files:
            read = ", ".join(sorted({path.name for path in self.segments.ego4d.files.values()}))
            held_out = videos["split"].isin(HELD_OUT).sum()
            notes.append(f"{held_out:,} of the videos are val or test, by the segments' own files and {read}")
        return notes + self.segments.notes

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        return looked_in(self._files.folders, "what the segments name")

    @cached_property
    def _videos(self) -> pd.DataFrame:
        known: dict[str, VideoFacts] = {}
        table = self.segments.table
        splits = table.drop_duplicates(["video_uid", "split"]).groupby("video_uid")["split"].agg(set)
        for row in table.drop_duplicates("video_uid").itertuples():
            path = self._files.find(row.video) if row.video else None
            video = self.segments.ego4d.entry(row.video_uid, _of_whole_video(splits[row.video_uid]))
            video.path = None if path is None else str(path)
            video.video_dur = video.video_dur if video.video_dur > 0 else float(row.duration)
            known[row.video_uid] = video
        probe_all(known.values())
        return videos_table(known, scene_ids(list(known), self.segments.ego4d.together))


def _of_whole_video(splits: set[str]) -> str:
    """Return the split of a video by those of its segments: held out only where all of them are, test before val."""
    if splits <= HELD_OUT:
        return max(splits, key=("val", "test").index)
    return "train" if "train" in splits else ""
