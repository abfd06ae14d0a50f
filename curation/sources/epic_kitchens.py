"""EPIC-KITCHENS-100 as a source: its csv files as published, and its videos."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from egocurate.curation.sources import FIRST_PASS, NARRATION_COLUMNS
from egocurate.curation.sources.cells import decimal, first_duration
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.sources.video_folders import PLACES, VideoFolders, find_mp4, looked_in, refuse_file
from egocurate.curation.sources.videos_table import VideoFacts, videos_table
from egocurate.curation.text.marks import ACTOR
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, taxonomy, write_lexicon
from egocurate.errors import InputError
from egocurate.literal_lists import word_list
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path, folder_exists

SCENARIO = "Cooking"
_INFO, _VERBS, _NOUNS = "EPIC_100_video_info", "EPIC_100_verb_classes", "EPIC_100_noun_classes"
_LABELLED = {"EPIC_100_train": "train", "EPIC_100_validation": "val"}
_UDA = {"EPIC_100_uda_source_train": "train", "EPIC_100_uda_source_val": "val", "EPIC_100_uda_target_val": "val"}
_UNLABELLED = {"EPIC_100_test_timestamps": "test"}
_FOLDERS = ("", "annotations", "epic-kitchens-100-annotations", "epic-kitchens-100-annotations-master")
_COLUMNS = ("narration_id", "video_id", "narration_timestamp", "narration")
_CLOCK = r"^([0-9]{1,4}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)$"  # HH:mm:ss.SSS
_NUMBER = r"_([0-9]{1,9})$"  # at the end of a narration_id


class EpicKitchensSource:
    """Read a folder with the annotations and, below it or beside them, the videos of EPIC-KITCHENS-100.

    Narrations come from EPIC_100_train.csv and EPIC_100_validation.csv (also .csv.gz), or from the labeled files of
    the UDA challenge, which are a part of them, where neither is there. A narration keeps EPIC's words behind the mark
    of the camera wearer: "take plate" is "#C C take plate". Classes are EPIC's own, in the order of their ids. A video
    is test, val or train as the file that lists it; it is looked for in `videos_dirs` first. Raises InputError for a
    folder that lacks narrations or EPIC_100_video_info.csv.
    """

    splits_in = "EPIC_100_validation.csv"
    segmented = False

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.root = as_path(root)
        refuse_file(self.root)
        self._elsewhere = VideoFolders(videos_dirs)
        if not folder_exists(self.root):
            raise InputError(f"{self.root}: no such folder; give the one with the EPIC_100_*.csv files and the videos")
        self._narrated = self._present(_LABELLED) or self._present(_UDA)
        if not self._narrated:
            raise InputError(
                f"{self.root}: no EPIC_100_train.csv or EPIC_100_validation.csv (or .csv.gz) in it or in annotations/; "
                "clone github.com/epic-kitchens/epic-kitchens-100-annotations there"
            )
        info = self._find(_INFO)
        if info is None:
            raise InputError(f"{self.root}: no {_INFO}.csv; it stands beside the other EPIC_100_*.csv files")
        self._info = info

    def narrations(self) -> pd.DataFrame:
        """Return every narration of the labeled files; see `Source`. narration_ind is the number in narration_id."""
        return self._narrations.copy(deep=False)

    def videos(self) -> pd.DataFrame:
        """Return the videos of EPIC_100_video_info.csv, then those only narrations name, probed; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> Path | None:
        """Return a folder with EPIC's classes as taxonomy files, there while this source is; None without its files."""
        return None if self._lexicon is None else Path(self._lexicon.name)

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of every csv file that is used, by path in the root."""
        paths = [self._info, *self._narrated, *self._present(_UNLABELLED), *self._class_files]
        return {path.relative_to(self.root).as_posix(): fingerprint(path) for path in sorted(paths)}

    def notes(self) -> list[str]:
        """Return which files gave narrations and how the videos are split."""
        videos, narrations = self._videos, self._narrations
        untimed = int(narrations["narration_time"].isna().sum())
        splits = ", ".join(f"{name} {(videos['split'] == name).sum():,}" for name in ("train", "val", "test"))
        notes = [
            f"Narrations from {', '.join(path.name for path in self._narrated)}",
            f"Videos by split: {splits}; {videos['path'].notna().sum():,} of {len(videos):,} are on disk",
        ]
        if untimed:
            notes.append(f"{untimed:,} narrations have no narration_timestamp and cannot become clips")
        if not set(self._narrated.values()) >= {"train", "val"}:
            notes.append("One of EPIC_100_train.csv and EPIC_100_validation.csv is not there")
        if not self._class_files:
            notes.append(f"No {_VERBS}.csv and {_NOUNS}.csv: classes are built from the narrations")
        return notes

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        places = [f"{folder}/{place}" for folder in (*self._elsewhere.folders, self.root) for place in PLACES]
        return looked_in([place.removesuffix("/*") for place in places], "<video_id>.mp4")

    @cached_property
    def _narrations(self) -> pd.DataFrame:
        frames = [read_columns(path, _COLUMNS) for path in self._narrated]
        table = pd.concat([frame[list(_COLUMNS)] for frame in frames], ignore_index=True)
        table = table.drop_duplicates(ignore_index=True)  # those of the UDA challenge list some clips twice
        number = narration_numbers(table["narration_id"])
        times = clock_seconds(table["narration_timestamp"])
        untimed = times.isna() & (table["narration_timestamp"].str.strip() != "")
        self._refuse(table, "narration_id", number.isna(), "EPIC's end in a number, as P01_01_0 does")
        self._refuse(table, "narration_id", table["narration_id"].duplicated(), "once more, with other words or times")
        self._refuse(table, "narration_timestamp", untimed, "which is no time like 00:01:02.500")
        words = table["narration"].str.strip()
        columns = (
            table["video_id"],
            pd.Series(FIRST_PASS, index=table.index),
            number.astype(np.int64),
            times,
            (ACTOR + words).where(words != "", ""),
        )
        return pd.DataFrame(dict(zip(NARRATION_COLUMNS, columns, strict=True)))

    @cached_property
    def _videos(self) -> pd.DataFrame:
        table = read_columns(self._info, ("video_id", "duration", "resolution"))
        durations = table["duration"].map(decimal).astype(np.float64)
        unknown = durations.isna() & (table["duration"].str.strip() != "")
        for name, bad in (("video_id", table["video_id"].duplicated()), ("duration", unknown)):
            if bad.any():
                line = bad.index[bad][0]
                raise InputError(f"{self._info}: line {line}: {name} has {table[name][line]!r}; take it as published")
        sizes = table["resolution"].str.extract(r"^([0-9]{1,5})x([0-9]{1,5})$").fillna("0").astype(np.int64)
        known = {
            uid: VideoFacts(video_dur=first_duration([duration]), width=width, height=height)
            for uid, duration, width, height in zip(table["video_id"], durations, sizes[0], sizes[1], strict=True)
        }
        files = self._files
        for uid in self._narrations["video_uid"].unique():
            known.setdefault(uid, VideoFacts())
        for uid, facts in known.items():
            facts.path, facts.split = str(files[uid]) if uid in files else None, self._splits.get(uid, "")
            facts.scenarios = (SCENARIO,)
            facts.probe()
        return videos_table(known)

    @cached_property
    def _splits(self) -> dict[str, str]:
        # Later files win: a video that any file holds out is held out.
        listed = self._narrated | self._present(_UNLABELLED)
        order = sorted(listed.items(), key=lambda item: ("train", "val", "test").index(item[1]))
        return {uid: split for path, split in order for uid in read_columns(path, ("video_id",))["video_id"].unique()}

    @cached_property
    def _files(self) -> dict[str, AnyPath]:
        return find_mp4(self.root, PLACES) | self._elsewhere.files

    @cached_property
    def _class_files(self) -> list[AnyPath]:
        paths = [path for path in (self._find(_VERBS), self._find(_NOUNS)) if path]
        return paths if len(paths) == 2 else []

    @cached_property
    def _lexicon(self) -> tempfile.TemporaryDirectory | None:
        if not self._class_files:
            return None
        verbs, nouns = (read_classes(path) for path in self._class_files)
        folder = tempfile.TemporaryDirectory(prefix="epic-classes-")
        write_lexicon(Lexicon(verbs=verbs, nouns=nouns), folder.name)
        return folder

    def _refuse(self, table: pd.DataFrame, name: str, bad: pd.Series, what: str) -> None:
        if bad.any():
            named = ", ".join(path.name for path in self._narrated)
            raise InputError(f"{named}: column {name} has {table[name][bad].iloc[0]!r}; {what}")

    def _present(self, names: dict[str, str]) -> dict[AnyPath, str]:
        paths = {self._find(name): split for name, split in names.items()}
        return {path: split for path, split in paths.items() if path}

    def _find(self, name: str) -> AnyPath | None:
        folders = [self.root / folder for folder in _FOLDERS]
        folders += [folder / "UDA_annotations" for folder in folders]
        paths = (folder / f"{name}{end}" for folder in folders for end in (".csv", ".csv.gz"))
        return next((path for path in paths if path.is_file()), None)


def narration_numbers(ids: pd.Series) -> pd.Series:
    """Return the number at the end of each of EPIC's narration ids, as text; missing where there is none."""
    return ids.str.extract(_NUMBER, expand=False)


def clock_seconds(texts: pd.Series) -> pd.Series:
    """Return EPIC's times, "00:01:02.500", in seconds (float64), NaN for what is none."""
    clock = texts.str.strip().str.extract(_CLOCK).astype(np.float64)
    return clock[0] * 3600 + clock[1] * 60 + clock[2]


def read_classes(path: AnyPath) -> Taxonomy:
    """Read a file of classes so that the class of a word is EPIC's id; raises InputError for gaps and bad lists."""
    table = read_columns(path, ("id", "key", "instances"))
    if table["id"].tolist() != [str(row) for row in range(len(table))]:
        raise InputError(f"{path}: column id must count 0, 1, 2, ...; take the file as published")
    groups = []
    for key, text in zip(table["key"], table["instances"], strict=True):
        words = word_list(text)
        if words is None:
            raise InputError(f"{path}: instances of {key!r} are {text!r}; they must be a list of words")
        groups.append([_as_spoken(word) for word in words])
    return taxonomy([_as_spoken(key).replace(" ", "_") for key in table["key"]], groups)


def _as_spoken(word: str) -> str:
    """Write a word as narrators say it: "turn-on" -> "turn on", "lid:frying:pan" -> "frying pan lid"."""
    head, *before = word.split(":")
    return " ".join([*before, head]).replace("-", " ")
