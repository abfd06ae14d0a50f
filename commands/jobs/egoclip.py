"""`curate egoclip`: tables of clips, then their shards."""

from __future__ import annotations

from dataclasses import asdict

from egocurate.commands.jobs.cutting import Outcome, RunOptions, count_values, cut_clips, running_ray
from egocurate.commands.jobs.given_egoclip import refuse_other_lexicon
from egocurate.commands.jobs.output_folder import SHARDS
from egocurate.commands.jobs.run_record import Run, locked_run
from egocurate.curation.clips.egoclip import LEXICON, build_egoclip, lexicon_input, write_egoclip
from egocurate.curation.clips.read_clips import find_clips, read_classes
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import VIDEO_FACTS_FILE, facts_fingerprint, write_video_facts
from egocurate.progress import Report
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath


def run_egoclip(
    source: Source, out: AnyPath, config: EgoClipConfig, lexicon: str, options: RunOptions, report: Report
) -> Outcome:
    """Build the EgoClip tables in `out`, and its shards below it."""
    tags_from = find_clips(options.tags_from) if options.tags_from else None
    inputs = source.fingerprint() | {"lexicon": lexicon_input(source, lexicon)}
    inputs |= {"videos": facts_fingerprint(source.videos())}
    inputs |= {"tags_from": fingerprint(tags_from)} if tags_from else {}
    refuse_other_lexicon(out, "egomcq", inputs["lexicon"])
    with locked_run(out, "egoclip", asdict(config), inputs) as run, running_ray(options.ray_address, report):
        summary: dict[str, object] = run.describe()
        if not run.done:
            _write_tables(source, out, config, lexicon, tags_from, run, report)
        summary |= {name: run.counts[name] for name in ("clips", "videos", "rejected")}
        summary["alpha"] = f"{run.counts['beta']['alpha']:.2f} s"
        whole = True
        if not options.tables_only:
            table, classes = read_parquet(out / "egoclip.parquet"), read_classes(out / LEXICON)
            cut = cut_clips("egoclip", table, source.videos(), classes, out / SHARDS, options, report)
            summary |= cut.summary
            whole = cut.whole
    return Outcome(summary | {"notes": run.counts["notes"], "out": str(out)}, whole)


def _write_tables(
    source: Source,
    out: AnyPath,
    config: EgoClipConfig,
    lexicon: str,
    tags_from: AnyPath | None,
    run: Run,
    report: Report,
) -> None:
    egoclip = build_egoclip(source, config, lexicon, report, tags_from)
    files = write_egoclip(egoclip, out)
    write_video_facts(source.videos(), out)
    counts = {
        "narrations": dict(egoclip.counts),
        "clips": egoclip.table.num_rows,
        "videos": len(egoclip.table["video_uid"].unique()),
        "rejected": dict(count_values(egoclip.rejected["reason"])),
        "beta": egoclip.beta,
        "notes": source.notes(),
    }
    run.finish(counts, [*files, VIDEO_FACTS_FILE])
