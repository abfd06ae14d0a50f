"""`curate shards`: the clips of a table that is there, as shards."""

from __future__ import annotations

from dataclasses import asdict, replace

from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, record, running_ray
from egocurate.commands.jobs.labels import LabelOptions, add_labels, describe_labels
from egocurate.commands.output.run_record import open_run
from egocurate.curation.clips.egoclip import LEXICON
from egocurate.curation.clips.read_clips import find_clips, read_classes, read_clips
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.labels import table_label_names
from egocurate.progress import Report
from egocurate.storage.fingerprint import fingerprint, value_fingerprint
from egocurate.storage.paths import AnyPath


def run_shards(
    clips: AnyPath,
    source: Source,
    out: AnyPath,
    options: RunOptions,
    report: Report,
    labels: LabelOptions | None = None,
) -> Outcome:
    """Cut the clips of a table (an EgoClip folder, egoclip.csv or parquet) into shards in `out`.

    A table that has more clips than the one of an earlier run adds them. `labels` asks for those of a csv of
    EPIC-KITCHENS-100; a parquet table has its own.
    """
    path = find_clips(clips)
    classes = read_classes(path.parent / LEXICON)
    inputs = {"egoclip": fingerprint(path), "lexicon": value_fingerprint(asdict(classes))}
    inputs |= {"stereo": stereo_fingerprint(source.videos())}
    table, unknown = read_clips(path), {}
    if labels is not None:
        table, unknown = add_labels(path, table, labels)
    names = table_label_names(table.schema)
    settings = options.cut_settings() | ({"labels": list(names)} if labels is not None else {})
    run = open_run(out, "shards", settings, inputs, may_grow=True)
    with running_ray(options.ray_address, report):
        outcome = cut_clips("egoclip", table, source, classes, out, options, report)
    said = describe_labels(table, unknown) if names else {}
    return record(run, replace(outcome, summary=said | outcome.summary))
