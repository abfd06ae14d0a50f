"""`curate egomcq`: five-way questions, then shards of the clips that they ask about."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import pandas as pd
import pyarrow as pa

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.commands.jobs.cutting import Outcome, RunOptions, cut_clips, running_ray
from egocurate.commands.jobs.given_egoclip import GivenEgoClip, find_egoclip, lexicon_beside, refuse_other_lexicon
from egocurate.commands.output.output_folder import MCQ_SHARDS
from egocurate.commands.output.run_record import locked_run
from egocurate.curation.clips.egoclip import LEXICON, LEXICON_FILES, build_tables, lexicon_input, open_lexicon
from egocurate.curation.clips.read_clips import read_classes, read_clips
from egocurate.curation.clips.selection import pace_of
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig, EgoMCQConfig
from egocurate.curation.egomcq.draw import build_egomcq, one_pass, write_egomcq
from egocurate.curation.egomcq.eligible_videos import mcq_videos
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import facts_fingerprint
from egocurate.curation.text.taxonomy import write_lexicon
from egocurate.progress import Report
from egocurate.questions import CLIPS_FILE
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed

_VIDEOS = pa.schema([("video_uid", pa.string())])


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
    Its classes, alpha and mean gap are those of the questions' clips, too.
    """
    given = find_egoclip(egoclip, out)
    lexicon = lexicon_beside(given, lexicon)
    config = _with_pace_of(given, config)
    inputs = source.fingerprint() | {"lexicon": lexicon_input(source, lexicon)}
    inputs |= {"videos": facts_fingerprint(source.videos())}
    inputs |= {"egoclip": fingerprint(given.table)} if given else {}
    refuse_other_lexicon(out, "egoclip", inputs["lexicon"])
    trained_on = given if egoclip or config.videos == "val" else None
    with locked_run(out, "egomcq", asdict(config), inputs) as run, running_ray(options.ray_address, report):
        summary: dict[str, object] = run.describe()
        if not run.done:
            job = _Job(source, out, config, lexicon, given, trained_on)
            run.finish(*_write_tables(job, report))
        summary |= _in_words(run.counts, given, source.segmented)
        whole = True
        if not options.tables_only:
            table, classes = read_typed(out / CLIPS_FILE, CLIP_SCHEMA), read_classes(out / LEXICON)
            cut = cut_clips("egomcq", table, source, classes, out / MCQ_SHARDS, options, report)
            summary |= cut.summary
            whole = cut.whole
    return Outcome(summary | {"out": str(out)}, whole)


@dataclass(frozen=True)
class _Job:
    source: Source
    out: AnyPath
    config: EgoMCQConfig
    lexicon: str
    given: GivenEgoClip | None
    trained_on: GivenEgoClip | None


def _write_tables(job: _Job, report: Report) -> tuple[dict[str, object], list[str]]:
    """Write questions, their clips and the lexicon; returns what was counted and the names of the files."""
    source, out, trained_on = job.source, job.out, job.trained_on
    all_videos, narrations = source.videos(), source.narrations()
    uids = _video_uids(trained_on.table) if trained_on else None
    videos = mcq_videos(all_videos, job.config.videos, uids, source.splits_in)
    config = _with_pace_of_source(narrations, all_videos, job.config)
    classes = open_lexicon(source, job.lexicon, narrations)
    of_videos = one_pass(narrations[narrations["video_uid"].isin(videos["video_uid"])], config.seed)
    tags_from = job.given.table if job.given else None
    egoclip = build_tables(of_videos, videos, config.clips(), classes, report, tags_from)
    mcq = build_egomcq(egoclip.table, dict(zip(videos["video_uid"], videos["scene"], strict=True)), config)
    write_lexicon(classes, out / LEXICON)
    files = [*LEXICON_FILES, *write_egomcq(mcq, out)]
    counts = mcq.counts | {"alpha": egoclip.beta["alpha"], "mean_gap_sec": config.mean_gap_sec, "short": mcq.short}
    return counts | {"leak": _shared_videos(out / "egoclip.parquet", mcq.clips)}, files


def _with_pace_of(egoclip: GivenEgoClip | None, config: EgoMCQConfig) -> EgoMCQConfig:
    """Return the config with EgoClip's alpha, unless seconds are given, and its mean gap; as it is without EgoClip."""
    if egoclip is None or egoclip.alpha is None:
        return replace(config, alpha=PUBLISHED_ALPHA) if config.alpha is None else config
    alpha = egoclip.alpha if config.alpha in (None, "auto") else config.alpha
    return replace(config, alpha=alpha, mean_gap_sec=egoclip.mean_gap_sec)


def _with_pace_of_source(narrations: pd.DataFrame, videos: pd.DataFrame, config: EgoMCQConfig) -> EgoMCQConfig:
    """Return the config with the mean gap, and for "auto" the alpha, that an EgoClip of the source would have.

    Where that would have no clips, the narrations asked about tell.
    """
    if config.mean_gap_sec is not None:
        return config
    gaps = pace_of(narrations, videos, EgoClipConfig(alpha=config.alpha)).gaps
    return replace(config, alpha=gaps["alpha"], mean_gap_sec=gaps["mean"]) if "mean" in gaps else config


def _in_words(counts: dict[str, object], egoclip: GivenEgoClip | None, segmented: bool) -> dict[str, object]:
    """Return the rows of a summary that the counts of a run are."""
    rows = {name: value for name, value in counts.items() if name not in ("alpha", "mean_gap_sec", "short", "leak")}
    same = egoclip is not None and egoclip.alpha == counts["alpha"]
    if not segmented:
        rows["alpha"] = f"{counts['alpha']:.2f} s" + (", as EgoClip" if same else "")
    if counts["short"]:
        rows["fewer_than_asked"] = counts["short"]
    if counts["leak"]:
        rows["warning"] = f"{counts['leak']} videos are in egoclip.parquet too: no test of unseen videos"
    return rows


def _shared_videos(egoclip: AnyPath, clips: pa.Table) -> int:
    """Count the videos that are asked about and are in EgoClip as well."""
    return len(_video_uids(egoclip) & set(clips["video_uid"].to_pylist())) if egoclip.exists() else 0


def _video_uids(path: AnyPath) -> set[str]:
    if path.suffix == ".parquet":
        return set(read_typed(path, _VIDEOS)["video_uid"].unique().to_pylist())
    return set(read_clips(path)["video_uid"].unique().to_pylist())
