"""`curate egoclip`: tables of clips, then their shards."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow.compute as pc

from egocurate.commands.jobs.cutting import SHARDS, Outcome, RunOptions, count_values, cut_clips, running_ray
from egocurate.commands.jobs.run_record import Run, open_run
from egocurate.curation.clips.egoclip import build_egoclip, write_egoclip
from egocurate.curation.clips.grow_egoclip import grow_egoclip
from egocurate.curation.clips.read_clips import find_clips, read_classes
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import are_facts_written, write_video_facts
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path, is_remote


def run_egoclip(
    source: Source, out: AnyPath, config: EgoClipConfig, lexicon: str, options: RunOptions, report: Report
) -> Outcome:
    """Build the EgoClip tables in `out`, and its shards below it; tables of fewer narrations or videos there grow."""
    settings = asdict(config) | {"lexicon": lexicon_name(lexicon)}
    run = open_run(out, "egoclip", settings, source.fingerprint(), may_grow=True)
    earlier = run.counts if (out / "egoclip.parquet").exists() else None
    videos = source.videos()
    has_lengths = bool((videos["path"].notna() | (videos["video_dur"] > 0)).any())
    if earlier is None and len(videos) and not has_lengths:
        raise InputError(
            f"none of the {len(videos)} videos is on disk, and nothing else tells how long they are "
            f"({source.looked_in()}): fetch them, or say with --videos-dir where they are"
        )
    # Tables of videos that have all gone from the disk since have nothing to grow by.
    finished = earlier is not None and (not has_lengths or (run.done and are_facts_written(videos, out)))
    with running_ray(options.ray_address, report):
        if not finished:
            tags_from = find_clips(options.tags_from) if options.tags_from else None
            _write_tables(source, out, config, lexicon, tags_from, run, report)
        summary: dict[str, object] = {"tables": "already there, unchanged"} if finished else {}
        summary |= {name: run.counts[name] for name in ("clips", "videos", "rejected")}
        if earlier is not None and run.counts["clips"] > earlier["clips"]:
            summary["new_clips"] = run.counts["clips"] - earlier["clips"]
        whole = True
        if not options.tables_only:
            table, classes = read_parquet(out / "egoclip.parquet"), read_classes(out / "lexicon")
            waiting = _without_length(source, out)
            cut = cut_clips("egoclip", table, source, classes, out / SHARDS, options, report, waiting)
            summary |= cut.summary
            whole = cut.whole
    # What was found when the tables were made: by now there may be more videos.
    notes: dict[str, object] = {} if finished else {"notes": run.counts["notes"]}
    return Outcome(summary | notes | {"out": str(out)}, whole)


def _write_tables(
    source: Source,
    out: AnyPath,
    config: EgoClipConfig,
    lexicon: str,
    tags_from: AnyPath | None,
    run: Run,
    report: Report,
) -> None:
    """Write the tables, those of the earlier run and more where there was one."""
    if run.counts is not None and (out / "egoclip.parquet").exists():
        egoclip = grow_egoclip(source, config, lexicon, out, run.counts["beta"], "; ".join(run.changes), report)
    else:
        egoclip = build_egoclip(source, config, lexicon, report, tags_from)
    write_egoclip(egoclip, out)
    write_video_facts(source.videos(), out)
    run.finish(
        {
            "narrations": dict(egoclip.counts),
            "clips": egoclip.table.num_rows,
            "videos": len(egoclip.table["video_uid"].unique()),
            "rejected": dict(count_values(egoclip.rejected["reason"])),
            "beta": egoclip.beta,
            "notes": source.notes(),
        }
    )


def _without_length(source: Source, out: AnyPath) -> dict[str, int]:
    """Count, by video, the narrations that cannot be clips before their video is on disk and tells its length."""
    rejected = read_parquet(out / "rejected.parquet", ["video_uid", "reason"])
    uids = rejected.filter(pc.equal(rejected["reason"], "no_video"))["video_uid"]
    videos = source.videos()
    absent = set(videos["video_uid"][videos["path"].isna()])
    return {uid: count for uid, count in count_values(uids) if uid in absent}


def lexicon_name(lexicon: str) -> str:
    """Return what a run record says of `--lexicon`: a folder by its whole path."""
    if lexicon in ("auto", "wordnet"):
        return lexicon
    path = as_path(lexicon)
    return str(path if is_remote(path) else path.resolve())
