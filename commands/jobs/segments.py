"""`curate segments`: whole videos as text-free clips of one length."""

from __future__ import annotations

import pyarrow as pa

from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, record, running_ray
from egocurate.commands.output.run_record import open_run
from egocurate.curation.clips.grow_egoclip import add_clips
from egocurate.curation.clips.read_clips import ClassCounts
from egocurate.curation.clips.segments import fixed_segments
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.errors import InputError
from egocurate.labels import read_clip_table
from egocurate.progress import Report
from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import write_parquet
from egocurate.storage.paths import AnyPath, make_folder

TABLE_FILE = "segments.parquet"
"""The clip table of the shards beside it, which only ever gets longer."""

_CUT_AS = b"egocurate.segments"  # key of its metadata


def run_segments(
    source: Source, out: AnyPath, seconds: float, stride: float, options: RunOptions, report: Report
) -> Outcome:
    """Cut every video into text-free clips of `seconds`, one every `stride` seconds; videos not on disk wait.

    Videos that are too short for one, or redacted throughout, are counted in the summary.
    """
    videos = source.videos()
    is_there = videos["path"].notna()
    if not is_there.any() and not (out / TABLE_FILE).exists():
        raise InputError(
            f"none of the {len(videos)} videos of this root is on disk; segments are cut from videos alone "
            f"({source.looked_in()})"
        )
    settings = options.cut_settings() | {"seconds": seconds, "stride": stride}
    run = open_run(out, "segments", settings, {"stereo": stereo_fingerprint(videos)})
    segments = fixed_segments(videos[is_there | (videos["video_dur"] > 0)], seconds, stride)
    table = keep_table(marked(segments, f"{seconds} s, one every {stride} s"), out)
    with running_ray(options.ray_address, report):
        outcome = cut_clips("segments", table, source, ClassCounts(0, 0), out, options, report)
    unused = set(videos["video_uid"][is_there]) - set(table["video_uid"].unique().to_pylist())
    if unused:
        outcome.summary["videos_without_segments"] = len(unused)
    return record(run, outcome)


def marked(clips: pa.Table, cut_as: str) -> pa.Table:
    """Return a clip table that says, in a few words, what its clips are."""
    return clips.replace_schema_metadata({**(clips.schema.metadata or {}), _CUT_AS: cut_as})


def keep_table(segments: pa.Table, out: AnyPath) -> pa.Table:
    """Return the marked segments that the shards in `out` are cut from, kept there; those that are new follow.

    Raises InputError if a run that did not finish has left other segments there: of another length, or file.
    """
    path = out / TABLE_FILE
    earlier = read_clip_table(path) if path.exists() else None
    if earlier is not None and earlier.schema.metadata != segments.schema.metadata:
        was, is_now = ((table.schema.metadata or {}).get(_CUT_AS, b"").decode() for table in (earlier, segments))
        more = ", with other labels" if was == is_now else ""
        raise InputError(
            f"{path} has segments of {was}, not of {is_now}{more}: name another --out, or delete that folder"
        )
    table = segments if earlier is None else add_clips(earlier, segments)
    if earlier is None or len(table) > len(earlier):
        make_folder(out)
        atomic_write(path, lambda file: write_parquet(table, file))
    return table
