"""`curate verify --repair`: broken shards of a folder, cut again from the clips and videos they came from."""

from __future__ import annotations

import pyarrow as pa

from egocurate.commands.jobs.cutting import RunOptions, video_files
from egocurate.commands.jobs.labels import LabelOptions, add_labels
from egocurate.commands.jobs.segments import TABLE_FILE as SEGMENTS_FILE
from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.curation.clips.read_clips import find_clips, read_classes, read_clips
from egocurate.curation.sources import Source
from egocurate.errors import InputError
from egocurate.labels import table_label_names
from egocurate.progress import Report
from egocurate.questions import CLIPS_FILE
from egocurate.shards.adopt.adopted import ADOPTED
from egocurate.shards.check.repair import Repaired, repair, settings_of
from egocurate.shards.manifest import read_manifest
from egocurate.shards.profiles import profile
from egocurate.shards.write.write_shards import ShardJob
from egocurate.storage.paths import AnyPath

# Folder of shards -> the table beside it that it was cut from.
_TABLES = {SHARDS: "egoclip.parquet", MCQ_SHARDS: CLIPS_FILE}


def repair_folder(
    folder: AnyPath, clips: AnyPath | None, source: Source, options: RunOptions, report: Report
) -> Repaired:
    """Cut again the shards of a folder that are broken; `clips` is the table they came from (None: the one beside).

    `options` counts only where the manifest is gone. Raises InputError if there is no such table.
    """
    _refuse_adopted(folder)
    table = find_clips(clips if clips else _table_beside(folder))
    settings = settings_of(folder)
    if settings is None:
        classes = read_classes(table.parent / "lexicon")
        name = "segments" if table.name == SEGMENTS_FILE else "egomcq" if folder.name == MCQ_SHARDS else "egoclip"
        settings = {"name": name, "profile": options.profile, "clips_per_shard": options.shard_clips}
        settings |= {"num_verbs": classes.verbs, "num_nouns": classes.nouns, "lexicon": classes.lexicon}
    settings |= {"profile": profile(str(settings["profile"]))}
    job = ShardJob(
        clips=_clips(table, folder),
        videos=video_files(source.videos()),
        out=folder,
        looked_in=source.looked_in(),
        **settings,
    )
    return repair(job, report)


def _refuse_adopted(folder: AnyPath) -> None:
    try:
        is_adopted = ADOPTED in read_manifest(folder)
    except InputError:
        return  # which is what is to be repaired
    if is_adopted:
        raise InputError(
            f"{folder}: its tars are of others, and are not written: bring back what has changed there, or adopt them "
            "as they are into another --out"
        )


def _clips(table: AnyPath, folder: AnyPath) -> pa.Table:
    """Return the clips of a table, with the labels of the shards where these were added to it as they were cut."""
    clips = read_clips(table)
    if table_label_names(clips.schema):
        return clips
    try:
        kinds = tuple(read_manifest(folder).get("labels", {}))
    except InputError:
        return clips
    return add_labels(table, clips, LabelOptions(table, kinds, (str(folder),)))[0] if kinds else clips


def _table_beside(folder: AnyPath) -> AnyPath:
    if (folder / SEGMENTS_FILE).exists():
        return folder / SEGMENTS_FILE
    if folder.name not in _TABLES:
        raise InputError(f"{folder}: name the table it was cut from with --egoclip (egoclip.csv, or a parquet file)")
    return folder.parent / _TABLES[folder.name]
