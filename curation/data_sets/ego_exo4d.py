"""Ego-Exo4D as a source of points: what annotators, or experts, say of a take, for the camera on the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from egocurate.curation.data_sets.annotation_files import find_files, read_json
from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.cells import number, storable
from egocurate.curation.sources.video_folders import NamedVideos, looked_in
from egocurate.curation.sources.videos_table import VideoFacts, probe_all, videos_table
from egocurate.errors import InputError
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path

_FROM = "get it with `egoexo --parts metadata annotations takes` (Ego-Exo4D's license)"
_EGO = ("aria", "ego")  # how the ids of cameras on the head begin
_NO, _YES = (False, "0"), (True, "1")  # some annotators' files have texts for truth values
Take = tuple[str, str, list[Any]]


class EgoExo4DSource:
    """Read takes.json and atomic_descriptions_{train,val}.json: a narration for each description the wearer's view has.

    The video of a take is the picture of its ego camera, its uid the take's; each annotation of it is a pass. Rejected
    annotations and descriptions of what the ego camera does not see are left out and counted. Raises InputError.
    """

    splits_in = "the names of the files"
    segmented = False
    name = "atomic_descriptions"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.root = as_path(root)
        names = [f"{self.name}_{split}.json" for split in ("train", "val")]
        self._annotations = find_files(self.root, names, _FROM)
        if self.root.is_file():
            raise InputError(f"{self.root}: is a file; give the folder that holds takes.json and annotations/")
        self._takes_file = find_files(self.root, ("takes.json",), _FROM)[0]
        self._files = NamedVideos(self._takes_file.parent, videos_dirs)
        self._left_out: dict[str, int] = {}

    def narrations(self) -> pd.DataFrame:
        """Return what is said of the takes; see `Source`."""
        return self._narrations.copy(deep=False)

    def videos(self) -> pd.DataFrame:
        """Return the takes that something is said of; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> None:
        """Return None: classes are built from the texts, or named with --lexicon."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of every annotation file that is read."""
        paths = [self._takes_file, *self._annotations]
        return {path.relative_to(self.root).as_posix(): fingerprint(path) for path in paths}

    def notes(self) -> list[str]:
        """Return how much is said of how many takes, and what was left out."""
        count, videos = len(self._narrations), self._videos
        on_disk = videos["path"].notna().sum()
        notes = [f"{count:,} narrations of {len(videos):,} takes, {on_disk:,} of them on disk"]
        return notes + [f"{number:,} {what} left out" for what, number in self._left_out.items()]

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        return looked_in(self._files.folders, "the ego camera's file as takes.json names it")

    @cached_property
    def _narrations(self) -> pd.DataFrame:
        rows = [
            (uid, source, 0, time, text)
            for uid, _, annotations in self._said
            for source, points in self._passes(annotations)
            for time, text in points
        ]
        table = pd.DataFrame(rows, columns=list(NARRATION_COLUMNS)).astype({"narration_time": np.float64})
        table["narration_ind"] = table.groupby(["video_uid", "narration_source"], sort=False).cumcount()
        return table

    @cached_property
    def _said(self) -> list[Take]:
        """List take, split and annotations of every take that something is said of."""
        found: list[Take] = []
        for path in self._annotations:
            held = read_json(path)
            takes = held.get("annotations") if isinstance(held, dict) else None
            if not isinstance(takes, dict):
                raise InputError(f"{path}: has no 'annotations' by take; is it another file? Fetch it again")
            split = "val" if "_val" in path.name else "train"
            found += [(storable(uid), split, said) for uid, said in takes.items() if isinstance(said, list)]
        return found

    def _passes(self, annotations: list[Any]) -> Iterator[tuple[str, list[tuple[float, str]]]]:
        """Yield each annotation of a take as a pass with its points (seconds, text)."""
        for count, annotation in enumerate(filter(_is_object, annotations), 1):
            if annotation.get("rejected") is True:
                self._count("rejected annotations")
                continue
            said = annotation.get("descriptions")
            points = []
            for one in filter(_is_object, said if isinstance(said, list) else ()):
                if one.get("ego_visible") in _NO:
                    self._count("descriptions of what the ego camera does not see")
                else:
                    points.append((number(one.get("timestamp")), _marked(one)))
            yield f"narration_pass_{count}", points

    def _count(self, what: str) -> None:
        self._left_out[what] = self._left_out.get(what, 0) + 1

    @cached_property
    def _videos(self) -> pd.DataFrame:
        takes = read_json(self._takes_file)
        by_uid = {
            str(take.get("take_uid")): take for take in filter(_is_object, takes if isinstance(takes, list) else ())
        }
        known: dict[str, VideoFacts] = {}
        for uid, split, _ in self._said:
            take = by_uid.get(uid, {})
            file = _ego_file(take)
            path = self._files.find(file) if file else None
            length = number(take.get("duration_sec"))
            task = storable(take.get("parent_task_name"))
            known[uid] = VideoFacts(
                path=None if path is None else str(path),
                video_dur=length if length > 0 else np.nan,
                split=split,
                scenarios=(task,) if task else (),
            )
        probe_all(known.values())
        return videos_table(known)


class EgoExo4DExpertSource(EgoExo4DSource):
    """Read takes.json and expert_commentary_{train,val}.json: a narration for each comment, a pass for each expert.

    A comment is at the moment at which the expert stopped the video, and speaks of what was before. Raises InputError.
    """

    name = "expert_commentary"

    def _passes(self, annotations: list[Any]) -> Iterator[tuple[str, list[tuple[float, str]]]]:
        for count, annotation in enumerate(filter(_is_object, annotations), 1):
            expert = storable(annotation.get("commentary")).rpartition("/")[2] or str(count)
            said = annotation.get("commentary_data")
            points = []
            for one in filter(_is_object, said if isinstance(said, list) else ()):
                if one.get("error") is True:
                    self._count("comments that were not transcribed")
                else:
                    points.append((number(one.get("video_time")), storable(one.get("text")).strip()))
            yield f"expert_{expert}", points


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _marked(description: dict[str, Any]) -> str:
    """Write a description as Ego4D has it: "#C C lifts a wheel", with #unsure where the annotator was."""
    text = storable(description.get("text")).strip()
    actor = description.get("subject", description.get("narration_subject"))
    marked = f"#{actor} {text}" if text and actor in ("C", "O") else text
    return f"{marked} #unsure" if text and description.get("unsure") in _YES else marked


def _ego_file(take: dict[str, Any]) -> str:
    """Return the path of a take's picture from the head, below the folder of takes.json; "" where none is named."""
    cameras = take.get("frame_aligned_videos")
    root = storable(take.get("root_dir")) or f"takes/{storable(take.get('take_name'))}"
    for name, streams in cameras.items() if isinstance(cameras, dict) else ():
        picture = streams.get("rgb") if name.lower().startswith(_EGO) and isinstance(streams, dict) else None
        if isinstance(picture, dict) and isinstance(picture.get("relative_path"), str):
            return f"{root}/{picture['relative_path']}"
    return ""
