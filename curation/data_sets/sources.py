"""The sources of data sets whose annotations are segments, each of a folder as published."""

from __future__ import annotations

from collections.abc import Sequence

from egocurate.curation.data_sets.egoexolearn import read_egoexolearn
from egocurate.curation.data_sets.egovid import read_egovid
from egocurate.curation.data_sets.egtea import read_egtea
from egocurate.curation.data_sets.fho import read_fho
from egocurate.curation.data_sets.goal_step import read_goal_step
from egocurate.curation.data_sets.hd_epic import read_hd_epic
from egocurate.curation.data_sets.speech import read_speech
from egocurate.curation.segments.source import SegmentSource
from egocurate.storage.paths import AnyPath, as_path


class GoalStepSource(SegmentSource):
    """Read Ego4D Goal-Step; see `read_goal_step`."""

    splits_in = "the names of the files"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_goal_step(as_path(root)), videos_dirs)


class FHOSource(SegmentSource):
    """Read the hands and objects of Ego4D; see `read_fho`."""

    splits_in = "split_* of ego4d.json and the *_val.json files"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_fho(as_path(root)), videos_dirs)


class EgoExoLearnSource(SegmentSource):
    """Read EgoExoLearn; see `read_egoexolearn`."""

    splits_in = "nothing: its benchmarks split it, each in its own way"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_egoexolearn(as_path(root)), videos_dirs)


class HDEpicSource(SegmentSource):
    """Read HD-EPIC; see `read_hd_epic`."""

    splits_in = "nothing: HD-EPIC has no splits, it is for validation"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_hd_epic(as_path(root)), videos_dirs)


class EGTEASource(SegmentSource):
    """Read EGTEA Gaze+; see `read_egtea`."""

    splits_in = "train_split1.txt and test_split1.txt"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_egtea(as_path(root)), videos_dirs)


class EgoVidSource(SegmentSource):
    """Read EgoVid-5M; see `read_egovid`."""

    splits_in = "the names of the files"

    def __init__(self, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_egovid(as_path(root)), videos_dirs)


class SpeechSource(SegmentSource):
    """Read a JSON file of speech; see `read_speech`."""

    splits_in = "nothing: a file of speech has no splits"

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_speech(as_path(path)), videos_dirs)
