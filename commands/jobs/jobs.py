"""The work behind the verbs: tables, then shards, each recorded, resumed and counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pandas as pd
import pyarrow as pa

from egocurate.commands.jobs.run_record import Run, open_run, read_run
from egocurate.curation.clips.read_clips import ClassCounts, find_clips, read_classes, read_clips
from egocurate.curation.clips.segments import fixed_segments
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.egomcq.eligible_videos import mcq_videos
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import write_video_facts
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.ray_session import ray_session
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path, is_remote

SHARDS, MCQ_SHARDS = "shards", "egomcq-shards"


@dataclass(frozen=True)
class RunOptions:
    """How a job is carried out.

    `profile` names the encoding, `shard_clips` is what one shard holds, `tables_only` stops before the video work,
    `ray_address` is the Ray cluster to use (None: this machine), `tags_from` an earlier egoclip folder whose texts need
    not be tagged again.
    """

    profile: str = "train"
    shard_clips: int = 256
    tables_only: bool = False
    ray_address: str | None = None
    tags_from: AnyPath | None = None

    def __post_init__(self) -> None:
        """Refuse a profile that is not there; raises InputError."""
        profile(self.profile)


@dataclass(frozen=True)
class Outcome:
    """What a verb did: rows for its summary, and whether everything planned was written."""

    summary: dict[str, object]
    whole: bool = True


def run_egoclip(
    source: Source, out: AnyPath, config: EgoClipConfig, lexicon: str, options: RunOptions, report: Report
) -> Outcome:
    """Build the EgoClip tables in `out`, and its shards below it."""
    from egocurate.curation.clips.egoclip import build_egoclip, write_egoclip

    run = open_run(out, "egoclip", asdict(config) | {"lexicon": _lexicon_name(lexicon)}, source.fingerprint())
    earlier = run.done and (out / "egoclip.parquet").exists()
    with _ray(options.ray_address, report):
        if not earlier:
            tags_from = find_clips(options.tags_from) if options.tags_from else None
            egoclip = build_egoclip(source, config, lexicon, report, tags_from)
            write_egoclip(egoclip, out)
            write_video_facts(source.videos(), out)
            run.finish(
                {
                    "narrations": dict(egoclip.counts),
                    "clips": egoclip.table.num_rows,
                    "videos": len(egoclip.table["video_uid"].unique()),
                    "rejected": dict(_value_counts(egoclip.rejected["reason"])),
                    "beta": egoclip.beta,
                    "notes": source.notes(),
                }
            )
        summary: dict[str, object] = {"tables": "already there, unchanged"} if earlier else {}
        summary |= {name: run.counts[name] for name in ("clips", "videos", "rejected")}
        whole = True
        if not options.tables_only:
            cut = _cut(read_parquet(out / "egoclip.parquet"), source, out, SHARDS, options, report)
            summary |= cut.summary
            whole = cut.whole
    return Outcome(summary | {"notes": run.counts["notes"], "out": str(out)}, whole)


def run_egomcq(
    source: Source,
    out: AnyPath,
    config: EgoMCQConfig,
    egoclip: AnyPath | None,
    lexicon: str,
    options: RunOptions,
    report: Report,
) -> Outcome:
    """Build egomcq.json in `out`, and shards of its clips below it."""
    from egocurate.curation.clips.egoclip import clip_table, open_lexicon
    from egocurate.curation.egomcq.draw import build_egomcq, one_pass, write_egomcq

    trained_on = _video_uids(find_clips(egoclip)) if egoclip else None
    beside = out / "egoclip.parquet"
    if trained_on is None and config.videos == "val" and beside.exists():
        trained_on = _video_uids(beside)
    videos = source.videos()
    chosen = mcq_videos(videos, config.videos, trained_on)
    known = {"lexicon": _lexicon_name(lexicon), "trained_on": len(trained_on or ()), "from_videos": len(chosen)}
    run = open_run(out, "egomcq", asdict(config) | known, source.fingerprint())
    earlier = run.done and (out / "egomcq.json").exists()
    with _ray(options.ray_address, report):
        if not earlier:
            narrations = source.narrations()
            words = open_lexicon(source, lexicon, narrations)
            told = one_pass(narrations[narrations["video_uid"].isin(chosen["video_uid"])], config.seed)
            tags_from = find_clips(egoclip) if egoclip else beside
            table = clip_table(told, chosen, config.clips(), words, report, tags_from).table
            mcq = build_egomcq(table, dict(zip(chosen["video_uid"], chosen["scene"], strict=True)), config)
            write_egomcq(mcq, out)
            run.finish(mcq.counts | {"leak": _leak(beside, mcq.clips) if trained_on is None else 0})
        summary: dict[str, object] = {"tables": "already there, unchanged"} if earlier else {}
        summary |= run.counts
        if summary.pop("leak", 0):
            summary["warning"] = f"{run.counts['leak']} videos are in egoclip.parquet too: no test of unseen videos"
        whole = True
        if not options.tables_only:
            cut = _cut(read_parquet(out / "egomcq_clips.parquet"), source, out, MCQ_SHARDS, options, report)
            summary |= cut.summary
            whole = cut.whole
    return Outcome(summary | {"out": str(out)}, whole)


def run_shards(clips: AnyPath, source: Source, out: AnyPath, options: RunOptions, report: Report) -> Outcome:
    """Cut the clips of a table (an EgoClip folder, egoclip.csv or parquet) into shards in `out`."""
    path = find_clips(clips)
    run = open_run(out, "shards", _settings(options), {path.name: fingerprint(path)})
    with _ray(options.ray_address, report):
        outcome = _write(
            read_clips(path), source.videos(), read_classes(path.parent / "lexicon"), out, "egoclip", options, report
        )
    return _recorded(run, outcome)


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
    run = open_run(out, "segments", _settings(options) | {"seconds": seconds, "stride": stride}, {})
    table = fixed_segments(on_disk, seconds, stride)
    with _ray(options.ray_address, report):
        outcome = _write(table, on_disk, ClassCounts(0, 0), out, "segments", options, report)
    unused = len(on_disk) - len(table["video_uid"].unique())
    if unused:
        outcome.summary["videos_without_segments"] = unused
    return _recorded(run, outcome)


def find_shard_folders(path: AnyPath) -> list[AnyPath]:
    """Return the shard folders a user means: `path` itself, or those of an output folder."""
    found = [f for f in (path, path / SHARDS, path / MCQ_SHARDS) if _holds_shards(f)]
    if not found:
        raise InputError(f"{path}: no shards there; give the folder that `curate shards` wrote")
    return found


def _holds_shards(folder: AnyPath) -> bool:
    return (folder / "manifest.json").exists() or any(True for _ in folder.glob("*.tar"))


@contextmanager
def _ray(address: str | None, report: Report) -> Iterator[None]:
    """Have Ray running inside the block, and say so: starting it takes seconds."""
    report("starting Ray", 0, 1)
    with ray_session(address) as dashboard:
        report("starting Ray", 1, 1)
        if dashboard:
            print(f"Ray dashboard: {dashboard}", file=sys.stderr)
        yield


def _cut(table: pa.Table, source: Source, out: AnyPath, folder: str, options: RunOptions, report: Report) -> Outcome:
    name = "egoclip" if folder == SHARDS else "egomcq"
    return _write(table, source.videos(), read_classes(out / "lexicon"), out / folder, name, options, report)


def _write(
    table: pa.Table,
    videos: pd.DataFrame,
    classes: ClassCounts,
    out: AnyPath,
    name: str,
    options: RunOptions,
    report: Report,
) -> Outcome:
    job = ShardJob(
        clips=table,
        videos=video_files(videos),
        out=out,
        profile=profile(options.profile),
        name=name,
        clips_per_shard=options.shard_clips,
        num_verbs=classes.verbs,
        num_nouns=classes.nouns,
        lexicon=classes.lexicon,
    )
    done = write_shards(job, report)
    summary: dict[str, object] = {"shards": done.shards, "samples": done.samples, "megabytes": done.bytes / 1e6}
    if done.already_done:
        summary["shards_state"] = "already there, unchanged"
    else:
        summary["cut_clips_per_sec"] = done.samples / done.seconds if done.seconds else 0.0
    if done.failed:
        failed = read_parquet(out / "failed.parquet", columns=["reason"])
        summary["failed"] = dict(_value_counts(failed["reason"]))
        summary["failed_list"] = str(out / "failed.parquet")
    return Outcome(summary, whole=done.failed == 0)


def video_files(videos: pd.DataFrame) -> dict[str, VideoFile]:
    """Return where each video of a source is."""
    return {
        row.video_uid: VideoFile(as_path(row.path) if isinstance(row.path, str) else None, bool(row.is_stereo))
        for row in videos.itertuples()
    }


def _settings(options: RunOptions) -> dict[str, object]:
    """Return what decides the bytes of shards: not where they were cut."""
    return {"profile": options.profile, "shard_clips": options.shard_clips}


def _recorded(run: Run, outcome: Outcome) -> Outcome:
    if not run.done:
        run.finish(outcome.summary)
    return outcome


def _value_counts(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    """Count a column's values, most frequent first."""
    counts = ((row["values"].as_py(), row["counts"].as_py()) for row in column.value_counts())
    return sorted(counts, key=lambda pair: -pair[1])


def _leak(egoclip: AnyPath, clips: pa.Table) -> int:
    return len(_video_uids(egoclip) & set(clips["video_uid"].to_pylist())) if egoclip.exists() else 0


def _video_uids(path: AnyPath) -> set[str]:
    if path.suffix == ".parquet":
        return set(read_parquet(path, columns=["video_uid"])["video_uid"].unique().to_pylist())
    return set(read_clips(path)["video_uid"].unique().to_pylist())


def _lexicon_name(lexicon: str) -> str:
    return lexicon if lexicon in ("auto", "wordnet") else _absolute(lexicon)


def _absolute(folder: str) -> str:
    path = as_path(folder)
    return str(path if is_remote(path) else path.resolve())


def describe(path: AnyPath) -> dict[str, object]:
    """Return what is in an output folder: the counts of its runs and of its shards."""
    found: dict[str, object] = {}
    for verb in ("egoclip", "egomcq"):
        record = read_run(path, verb)
        if record:
            found[verb] = record["counts"] | {"config": record["config"]}
    for folder in (SHARDS, MCQ_SHARDS):
        if (path / folder / "manifest.json").exists():
            index = ShardIndex.open(path / folder)
            manifest = json.loads((path / folder / "manifest.json").read_text())
            found[folder] = {"samples": len(index), "shards": len(manifest["shards"]), "bytes": manifest["bytes"]}
    return found
