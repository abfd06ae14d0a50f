"""`curate segments`: whole videos as text-free clips of one length."""

from __future__ import annotations

from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, record, running_ray
from egocurate.commands.jobs.run_record import open_run
from egocurate.curation.clips.read_clips import ClassCounts
from egocurate.curation.clips.segments import fixed_segments
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.storage.paths import AnyPath


def run_segments(
    source: Source, out: AnyPath, seconds: float, stride: float, options: RunOptions, report: Report
) -> Outcome:
    """Cut every video on disk into text-free clips of `seconds`, one every `stride` seconds.

    Videos that are too short for one, or redacted throughout, are counted in the summary.
    """
    videos = source.videos()
    on_disk = videos[videos["path"].notna()]
    if on_disk.empty:
        raise InputError(
            f"none of the {len(videos)} videos of this root is on disk; segments are cut from videos alone"
        )
    settings = options.cut_settings() | {"seconds": seconds, "stride": stride}
    run = open_run(out, "segments", settings, {"stereo": stereo_fingerprint(videos)})
    table = fixed_segments(on_disk, seconds, stride)
    with running_ray(options.ray_address, report):
        outcome = cut_clips("segments", table, on_disk, ClassCounts(0, 0), out, options, report)
    unused = len(on_disk) - len(table["video_uid"].unique())
    if unused:
        outcome.summary["videos_without_segments"] = unused
    return record(run, outcome)
