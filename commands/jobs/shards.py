"""`curate shards`: the clips of a table that is there, as shards."""

from __future__ import annotations

from dataclasses import asdict

from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, record, running_ray
from egocurate.commands.jobs.run_record import open_run
from egocurate.curation.clips.egoclip import LEXICON
from egocurate.curation.clips.read_clips import find_clips, read_classes, read_clips
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.progress import Report
from egocurate.storage.fingerprint import fingerprint, value_fingerprint
from egocurate.storage.paths import AnyPath


def run_shards(clips: AnyPath, source: Source, out: AnyPath, options: RunOptions, report: Report) -> Outcome:
    """Cut the clips of a table (an EgoClip folder, egoclip.csv or parquet) into shards in `out`.

    A table that has more clips than the one of an earlier run adds them.
    """
    path = find_clips(clips)
    classes = read_classes(path.parent / LEXICON)
    inputs = {"egoclip": fingerprint(path), "lexicon": value_fingerprint(asdict(classes))}
    inputs |= {"stereo": stereo_fingerprint(source.videos())}
    run = open_run(out, "shards", options.cut_settings(), inputs, may_grow=True)
    with running_ray(options.ray_address, report):
        outcome = cut_clips("egoclip", read_clips(path), source, classes, out, options, report)
    return record(run, outcome)
