"""`curate egomcq`: five-way questions, then shards of the clips that they ask about."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa

from egocurate.commands.jobs.cutting import MCQ_SHARDS, Outcome, RunOptions, cut_clips, running_ray
from egocurate.commands.jobs.egoclip import lexicon_name
from egocurate.commands.jobs.run_record import open_run
from egocurate.curation.clips.egoclip import build_tables, open_lexicon
from egocurate.curation.clips.read_clips import find_clips, read_classes, read_clips
from egocurate.curation.config import EgoMCQConfig
from egocurate.curation.egomcq.draw import build_egomcq, one_pass, write_egomcq
from egocurate.curation.egomcq.eligible_videos import mcq_videos
from egocurate.curation.sources import Source
from egocurate.progress import Report
from egocurate.questions import CLIPS_FILE, QUESTIONS_FILE
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath


def run_egomcq(
    source: Source,
    out: AnyPath,
    config: EgoMCQConfig,
    egoclip: AnyPath | None,
    lexicon: str,
    options: RunOptions,
    report: Report,
) -> Outcome:
    """Build egomcq.json in `out`, and shards of its clips below it.

    `egoclip` is the table that a model is trained on, of whose videos nothing may be asked (None: the one in `out`).
    """
    trained_on = _video_uids(find_clips(egoclip)) if egoclip else None
    beside = out / "egoclip.parquet"
    if trained_on is None and config.videos == "val" and beside.exists():
        trained_on = _video_uids(beside)
    videos = mcq_videos(source.videos(), config.videos, trained_on)
    settings = {"lexicon": lexicon_name(lexicon), "trained_on": len(trained_on or ()), "from_videos": len(videos)}
    run = open_run(out, "egomcq", asdict(config) | settings, source.fingerprint())
    finished = run.done and (out / QUESTIONS_FILE).exists()
    with running_ray(options.ray_address, report):
        if not finished:
            narrations = source.narrations()
            classes = open_lexicon(source, lexicon, narrations)
            of_videos = one_pass(narrations[narrations["video_uid"].isin(videos["video_uid"])], config.seed)
            tags_from = find_clips(egoclip) if egoclip else beside
            table = build_tables(of_videos, videos, config.clips(), classes, report, tags_from).table
            mcq = build_egomcq(table, dict(zip(videos["video_uid"], videos["scene"], strict=True)), config)
            write_egomcq(mcq, out)
            run.finish(mcq.counts | {"leak": _shared_videos(beside, mcq.clips) if trained_on is None else 0})
        summary: dict[str, object] = {"tables": "already there, unchanged"} if finished else {}
        summary |= run.counts
        if summary.pop("leak", 0):
            summary["warning"] = f"{run.counts['leak']} videos are in egoclip.parquet too: no test of unseen videos"
        whole = True
        if not options.tables_only:
            table, classes = read_parquet(out / CLIPS_FILE), read_classes(out / "lexicon")
            cut = cut_clips("egomcq", table, source, classes, out / MCQ_SHARDS, options, report)
            summary |= cut.summary
            whole = cut.whole
    return Outcome(summary | {"out": str(out)}, whole)


def _shared_videos(egoclip: AnyPath, clips: pa.Table) -> int:
    """Count the videos that are asked about and are in EgoClip as well."""
    return len(_video_uids(egoclip) & set(clips["video_uid"].to_pylist())) if egoclip.exists() else 0


def _video_uids(path: AnyPath) -> set[str]:
    if path.suffix == ".parquet":
        return set(read_parquet(path, columns=["video_uid"])["video_uid"].unique().to_pylist())
    return set(read_clips(path)["video_uid"].unique().to_pylist())
