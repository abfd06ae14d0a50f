"""An Ego4D download as a source of narrations and videos."""

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from egocurate.curation.sources.layout import annotation_folders, video_files, video_folders
from egocurate.curation.sources.metadata import Metadata, VideoEntry, find_metadata, read_metadata
from egocurate.curation.sources.narration_json import (
    NARRATION_FILE,
    POOLED_FILE,
    Narrations,
    read_narration_json,
    read_pooled_json,
)
from egocurate.curation.sources.scenes import scene_ids
from egocurate.curation.sources.splits import HELD_OUT, BenchmarkVideos, benchmark_files, read_benchmarks, union_split
from egocurate.curation.sources.video_folders import VideoFolders, looked_in, refuse_file
from egocurate.curation.sources.videos_table import videos_table
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE
from egocurate.errors import InputError
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path, folder_exists


class Ego4DSource:
    """Read an Ego4D folder as its client, its README or a user laid it out.

    narration.json of the newest version that has one is read, else the newest all_narrations_redacted.json; ego4d.json,
    else a manifest; and the val and test files of every version found, because a video held out in any of them is held
    out. A file is read once, when it is needed. Videos are looked for in `videos_dirs` first. Raises InputError for a
    folder that does not exist or lacks narrations or metadata.
    """

    splits_in = "split_* of ego4d.json and the *_val.json files"
    segmented = False

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.root = as_path(root)
        refuse_file(self.root)
        self._elsewhere = VideoFolders(videos_dirs)
        if not folder_exists(self.root):
            raise InputError(f"{self.root}: no such folder; give the output folder of the ego4d client")
        self._folders = annotation_folders(self.root)
        self._narration_path = self._find_narrations()
        self._metadata_path = find_metadata(self.root)
        if self._metadata_path is None:
            raise InputError(
                f"{self.root}: no ego4d.json in the root, a version folder or its annotations, and no manifest.csv of "
                "the full-scale videos; fetch it with `ego4d --datasets annotations`"
            )

    def narrations(self) -> pd.DataFrame:
        """Return every narration in the order of the file; see `Source`."""
        return self._narrations.frame.copy(deep=False)

    def videos(self) -> pd.DataFrame:
        """Return the videos of the metadata, then those only narrations name, probed if on disk; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> AnyPath | None:
        """Return the first annotation folder with both taxonomy files."""
        return next((f for f in self._folders if (f / VERB_FILE).is_file() and (f / NOUN_FILE).is_file()), None)

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of narrations, metadata, benchmark files and taxonomies, by path in the root."""
        lexicon = self.lexicon_dir()
        paths = [self._narration_path, self._metadata_path, *(path for path, _ in benchmark_files(self._folders)[0])]
        paths += [lexicon / VERB_FILE, lexicon / NOUN_FILE] if lexicon else []
        return {path.relative_to(self.root).as_posix(): fingerprint(path) for path in sorted(set(paths))}

    def notes(self) -> list[str]:
        """Return facts about the narrations, the metadata, the files of the splits and the videos on disk."""
        videos, benchmarks = self._videos, self._benchmarks
        used = ", ".join(sorted({path.name for path in benchmarks.read})) or "none"
        notes = [
            *self._narrations.notes,
            *self._metadata.notes,
            f"Benchmark files read for val and test videos: {used}",
        ]
        if benchmarks.absent:
            named = ", ".join(benchmarks.absent[:3]) + (", ..." if len(benchmarks.absent) > 3 else "")
            notes.append(f"Benchmark files that are not there: {len(benchmarks.absent)} ({named})")
        held_out = videos["split"].isin(HELD_OUT).sum()
        multi = videos["fho_multi"].sum()
        notes.append(f"{held_out:,} of {len(videos):,} videos are val or test; {multi:,} have split_fho multi")
        unknown = len(videos) - len(self._metadata.videos)
        if unknown:
            notes.append(f"{unknown:,} videos have narrations but no metadata; length is read from the file if on disk")
        notes.append(f"{videos['path'].notna().sum():,} videos are on disk")
        if self.lexicon_dir() is None:
            notes.append(f"No {VERB_FILE} and {NOUN_FILE}")
        return notes

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        return looked_in([*self._elsewhere.folders, *video_folders(self.root)])

    @cached_property
    def _narrations(self) -> Narrations:
        pooled = self._narration_path.name == POOLED_FILE
        return (read_pooled_json if pooled else read_narration_json)(self._narration_path)

    @cached_property
    def _metadata(self) -> Metadata:
        return read_metadata(self._metadata_path)

    @cached_property
    def _benchmarks(self) -> BenchmarkVideos:
        return read_benchmarks(self._folders)

    @cached_property
    def _videos(self) -> pd.DataFrame:
        known = dict(self._metadata.videos)
        for uid in self._narrations.frame["video_uid"].unique():
            known.setdefault(uid, VideoEntry(video_uid=uid))
        files = video_files(self.root) | self._elsewhere.files
        for uid, video in known.items():
            video.path = str(files[uid]) if uid in files else None
            video.split = union_split(uid, video.splits, self._benchmarks)
            video.probe()
        return videos_table(known, scene_ids(list(known), self._metadata.together))

    def _find_narrations(self) -> AnyPath:
        for name in (NARRATION_FILE, POOLED_FILE):
            for folder in self._folders:
                if (folder / name).is_file():
                    return folder / name
        looked = ", ".join(_name(folder, self.root) for folder in self._folders)
        raise InputError(
            f"{self.root}: no {NARRATION_FILE} or {POOLED_FILE} in {looked} (nor in v*/annotations); "
            "fetch it with `ego4d --datasets annotations`"
        )


def _name(folder: AnyPath, root: AnyPath) -> str:
    return "the root" if folder == root else folder.relative_to(root).as_posix()
