"""`curate egoclip`: tables of clips, then their shards."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa
import pyarrow.compute as pc

from egocurate.commands.jobs.cutting import Outcome, RunOptions, count_values, cut_clips, running_ray
from egocurate.commands.jobs.given_egoclip import refuse_other_lexicon
from egocurate.commands.output.output_folder import SHARDS
from egocurate.commands.output.run_record import Run, locked_run
from egocurate.curation.clips.egoclip import LEXICON, EgoClip, build_egoclip, lexicon_input, write_egoclip
from egocurate.curation.clips.grow_egoclip import grow_egoclip
from egocurate.curation.clips.read_clips import find_clips, read_classes
from egocurate.curation.config import NO_TEXT_NEGATIVES, EgoClipConfig, TextNegativesConfig
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import VIDEO_FACTS_FILE, facts_fingerprint, write_video_facts
from egocurate.curation.text_negatives.columns import with_text_negatives
from egocurate.errors import InputError
from egocurate.labels import read_clip_table
from egocurate.progress import Report
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed

_REJECTED = pa.schema([("video_uid", pa.string()), ("reason", pa.string())])


def run_egoclip(
    source: Source,
    out: AnyPath,
    config: EgoClipConfig,
    lexicon: str,
    options: RunOptions,
    report: Report,
    negatives: TextNegativesConfig = NO_TEXT_NEGATIVES,
) -> Outcome:
    """Build the EgoClip tables in `out`, and its shards below it; tables of fewer narrations or videos there grow."""
    tags_from = find_clips(options.tags_from) if options.tags_from else None
    videos, there = source.videos(), (out / "egoclip.parquet").exists()
    inputs = source.fingerprint() | {"lexicon": lexicon_input(source, lexicon), "videos": facts_fingerprint(videos)}
    inputs |= {"tags_from": fingerprint(tags_from)} if tags_from else {}
    refuse_other_lexicon(out, "egomcq", inputs["lexicon"])
    has_lengths = bool((videos["path"].notna() | (videos["video_dur"] > 0)).any())
    if not there and len(videos) and not has_lengths:
        raise InputError(
            f"none of the {len(videos)} videos is on disk, and nothing else tells how long they are "
            f"({source.looked_in()}): fetch them, or say with --videos-dir where they are"
        )
    with (
        locked_run(out, "egoclip", _settings(config, negatives), inputs, may_grow=True) as run,
        running_ray(options.ray_address, report),
    ):
        earlier = run.counts if there else None
        # Tables of videos that have all gone from the disk since have nothing to grow by.
        finished = run.done or (earlier is not None and not has_lengths and not run.lost)
        summary: dict[str, object] = {"tables": "already there, unchanged"} if finished else run.describe()
        if not finished:
            if earlier is None:
                egoclip = build_egoclip(source, config, lexicon, report, tags_from)
            else:
                egoclip = grow_egoclip(source, config, lexicon, out, earlier["beta"], "; ".join(run.changes), report)
            if negatives.per_clip:
                before = None if earlier is None else read_clip_table(out / "egoclip.parquet")
                egoclip = with_text_negatives(egoclip, negatives, before, report)
            _write_tables(egoclip, source, out, run)
            if egoclip.kept_windows:
                summary["windows_kept_in_videos"] = egoclip.kept_windows
        run.let_go()
        summary |= {name: run.counts[name] for name in ("clips", "videos", "rejected")}
        if not source.segmented:
            summary["alpha"] = f"{run.counts['beta']['alpha']:.2f} s"
        if earlier is not None and run.counts["clips"] > earlier["clips"]:
            summary["new_clips"] = run.counts["clips"] - earlier["clips"]
        whole = True
        if not options.tables_only:
            table, classes = read_clip_table(out / "egoclip.parquet"), read_classes(out / LEXICON)
            waiting = _without_length(source, out)
            cut = cut_clips("egoclip", table, source, classes, out / SHARDS, options, report, waiting)
            summary |= cut.summary
            whole = cut.whole
    # What was found when the tables were made: by now there may be more videos.
    notes: dict[str, object] = {} if finished else {"notes": run.counts["notes"]}
    return Outcome(summary | notes | {"out": str(out)}, whole)


def _settings(config: EgoClipConfig, negatives: TextNegativesConfig) -> dict[str, object]:
    """Return what decides what is written; folders of earlier versions have no word of text negatives."""
    of_negatives = {"text_negatives": negatives.per_clip, "seed": negatives.seed} if negatives.per_clip else {}
    return asdict(config) | of_negatives


def _write_tables(egoclip: EgoClip, source: Source, out: AnyPath, run: Run) -> None:
    files = write_egoclip(egoclip, out)
    write_video_facts(source.videos(), out)
    counts = {
        "narrations": dict(egoclip.counts),
        "clips": egoclip.clips,
        "videos": egoclip.videos,
        "rejected": egoclip.reasons,
        "beta": egoclip.beta,
        "segmented": source.segmented,
        "notes": source.notes(),
    }
    run.finish(counts, [*files, VIDEO_FACTS_FILE])


def _without_length(source: Source, out: AnyPath) -> dict[str, int]:
    """Count, by video, the narrations that cannot be clips before their video is on disk and tells its length."""
    rejected = read_typed(out / "rejected.parquet", _REJECTED)
    uids = rejected.filter(pc.equal(rejected["reason"], "no_video"))["video_uid"]
    videos = source.videos()
    absent = set(videos["video_uid"][videos["path"].isna()])
    return {uid: count for uid, count in count_values(uids) if uid in absent}
