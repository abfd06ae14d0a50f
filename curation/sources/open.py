"""Open a source by the name of its kind; light to import, as only the kind that is asked for is loaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from egocurate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from egocurate.curation.sources import Source
    from egocurate.storage.paths import AnyPath


class SourceKind(NamedTuple):
    """A kind of data set: what it is, in a line, and the class that reads it, of the root and folders of videos."""

    help: str
    module: str
    name: str


SOURCES = {
    "ego4d": SourceKind("what the `ego4d` download made", "egocurate.curation.sources.ego4d", "Ego4DSource"),
    "epic-kitchens": SourceKind(
        "a folder with EPIC_100_*.csv and videos", "egocurate.curation.sources.epic_kitchens", "EpicKitchensSource"
    ),
    "table": SourceKind(
        "a csv or parquet file with columns video, time, text", "egocurate.curation.sources.table", "TableSource"
    ),
    "segments": SourceKind(
        "a csv, parquet or jsonl file with columns video, start_sec, end_sec, text",
        "egocurate.curation.segments.data_sets",
        "TableOfSegments",
    ),
    "lavila": SourceKind("a pickle of LaViLa's narrator", "egocurate.curation.segments.data_sets", "LaViLaSource"),
    "goal-step": SourceKind("a folder with goalstep_*.json", "egocurate.curation.data_sets.sources", "GoalStepSource"),
    "fho": SourceKind("a folder with Ego4D's fho_main.json", "egocurate.curation.data_sets.sources", "FHOSource"),
    "egoexolearn": SourceKind("a clone of EgoExoLearn", "egocurate.curation.data_sets.sources", "EgoExoLearnSource"),
    "hd-epic": SourceKind("a clone of hd-epic-annotations", "egocurate.curation.data_sets.sources", "HDEpicSource"),
    "egtea": SourceKind(
        "a folder with EGTEA's splits and action_idx.txt", "egocurate.curation.data_sets.sources", "EGTEASource"
    ),
    "egovid": SourceKind("a folder with egovid-*.csv", "egocurate.curation.data_sets.sources", "EgoVidSource"),
    "speech": SourceKind(
        "a JSON file of speech, as HowTo100M's", "egocurate.curation.data_sets.sources", "SpeechSource"
    ),
    "ego-exo4d": SourceKind(
        "a folder with takes.json and atomic_descriptions_*.json",
        "egocurate.curation.data_sets.ego_exo4d",
        "EgoExo4DSource",
    ),
    "ego-exo4d-experts": SourceKind(
        "a folder with takes.json and expert_commentary_*.json",
        "egocurate.curation.data_sets.ego_exo4d",
        "EgoExo4DExpertSource",
    ),
    "labels": SourceKind("a file of labeled videos", "egocurate.curation.labels.source", "LabelSource"),
}
"""Every kind of source; to add one, write a module with a class as `sources.Source` says, and name it here."""


def open_source(kind: str, root: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> Source:
    """Open `root` as a data set of `kind`, a key of SOURCES; raises InputError for another kind or a wrong root.

    Videos are looked for in `videos_dirs` first, then where the kind has them.
    """
    if kind not in SOURCES:
        raise InputError(f"source {kind!r} is not known; choose from {', '.join(SOURCES)}")
    _, module, name = SOURCES[kind]
    return getattr(import_module(module), name)(root, videos_dirs)
