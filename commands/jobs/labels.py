"""Clips of labeled videos: `curate segments --csv`, and the labels that `curate shards --labels` adds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pyarrow as pa

from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, record, running_ray
from egocurate.commands.jobs.segments import keep_table, marked
from egocurate.commands.output.run_record import open_run
from egocurate.curation.clips.read_clips import ClassCounts
from egocurate.curation.labels.label_names import read_names
from egocurate.curation.labels.labeled_clips import LabeledClips, attach_labels, labeled_clips
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.labels.windows_before import Before
from egocurate.curation.sources import Source
from egocurate.curation.sources.epic_segments import holds_segments
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.errors import InputError
from egocurate.labels import table_label_names
from egocurate.progress import Report
from egocurate.shards.manifest import read_manifest
from egocurate.storage.fingerprint import fingerprint, value_fingerprint
from egocurate.storage.paths import AnyPath, as_path, folder_exists


@dataclass(frozen=True)
class LabelOptions:
    """A file of labels, which of its kinds are wanted (none: the format's own), and where their names come from.

    `names` are as --label-names has them: a shard folder, a file, or KIND=FILE. `before`: the clips are not the rows
    but what comes before them.
    """

    file: AnyPath
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    before: Before | None = None

    def inputs(self, names: dict[str, list[str]]) -> dict[str, str]:
        """Return digests of what decides the labels, for the record of a run."""
        return {"labels": fingerprint(self.file), "label names": value_fingerprint(names)}


def run_labeled(labels: LabelOptions, source: Source, out: AnyPath, options: RunOptions, report: Report) -> Outcome:
    """Cut the segments and whole videos of a file of labels, each with its classes; what is not on disk waits.

    Raises InputError as `read_annotations` and `number_labels`, and if no clip can be planned.
    """
    rows = read_annotations(labels.file, labels.kinds)
    if labels.before:
        rows = labels.before.rows(rows)
    given, videos = given_names(labels.names, rows.labels), source.videos()
    clips = labeled_clips(rows, videos, given)
    if not len(clips.table):
        raise InputError(
            f"none of the {len(set(rows.uid))} videos of {labels.file} is on disk ({source.looked_in()}); name their "
            "folder with --videos-dir"
        )
    names = table_label_names(clips.table.schema)
    settings = options.cut_settings() | {"labels": list(names)}
    before = f"{labels.before}, " if labels.before else ""
    inputs = {"stereo": stereo_fingerprint(videos)} | labels.inputs(names)
    run = open_run(out, "segments", settings, inputs)
    table = keep_table(
        marked(clips.table, f"the rows of {labels.file.name}, {before}digest {inputs['labels'][-12:]}"), out
    )
    summary = {"clips": len(table)} | describe_labels(table, clips.unknown)
    if rows.skipped:
        summary["skipped"] = rows.skipped
    if options.tables_only:
        return record(run, Outcome(summary | _waiting(clips), unchanged=run.done))
    with running_ray(options.ray_address, report):
        outcome = cut_clips("segments", table, source, ClassCounts(0, 0), out, options, report, clips.waiting)
    return record(run, replace(outcome, summary=summary | outcome.summary))


def add_labels(path: AnyPath, clips: pa.Table, labels: LabelOptions) -> tuple[pa.Table, dict[str, int]]:
    """Return the clips of EPIC-KITCHENS-100's segments with their labels, and how many are not known, by kind.

    Raises InputError for another table: its labels are cut by `curate segments --csv`.
    """
    if path.suffix == ".parquet" or not holds_segments(path):
        raise InputError(
            f"--labels: {path} is no csv of EPIC-KITCHENS-100; a table that `curate segments --csv` wrote has its "
            "labels in it, and that verb cuts other files of labels"
        )
    rows = read_annotations(path, labels.kinds)
    return attach_labels(clips, rows, given_names(labels.names, rows.labels))


def describe_labels(table: pa.Table, unknown: dict[str, int]) -> dict[str, object]:
    """Return what a summary says of a table's labels: how many classes of each kind, and of how many clips none."""
    names = table_label_names(table.schema)
    said: dict[str, object] = {"classes": {kind: len(classes) for kind, classes in names.items()}}
    return said | ({"labels_not_known": unknown} if unknown else {})


def given_names(asked: Collection[str], kinds: Collection[str]) -> dict[str, list[str]]:
    """Return the names of classes that --label-names gives, by kind of label.

    Raises InputError for a folder without names of these kinds, and a file of which it is not said for which kind.
    """
    names: dict[str, list[str]] = {}
    for text in asked:
        kind, is_said, where = text.partition("=")
        if not (is_said and kind in kinds):
            kind, where = "", text
        path = as_path(where)
        if folder_exists(path):
            names |= _names_of_folder(path, kinds)
        elif kind or len(kinds) == 1:
            names[kind or next(iter(kinds))] = read_names(path)
        else:
            raise InputError(
                f"--label-names {text}: for which of {', '.join(kinds)}? write it as {next(iter(kinds))}={where}"
            )
    return names


def _names_of_folder(folder: AnyPath, kinds: Collection[str]) -> dict[str, list[str]]:
    there = read_manifest(folder).get("labels", {})
    lacking = [kind for kind in kinds if kind not in there]
    if lacking:
        raise InputError(
            f"--label-names {folder}: has no label {', '.join(lacking)} (there are {', '.join(there) or 'none'})"
        )
    return {kind: there[kind] for kind in kinds}


def _waiting(clips: LabeledClips) -> dict[str, object]:
    if not clips.waiting:
        return {}
    return {"waiting_for": {"clips": sum(clips.waiting.values()), "videos_not_on_disk": len(clips.waiting)}}
