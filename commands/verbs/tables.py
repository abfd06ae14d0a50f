"""The verbs that make tables out of narrations, and cut their clips: egoclip, egomcq; and a table to fill in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import (
    Alpha,
    Json,
    Lexicon,
    NarrationRoot,
    Out,
    ProfileName,
    RayAddress,
    RetryFailed,
    ShardClips,
    SourceName,
    Strict,
    TablesOnly,
    VideosDirs,
    Window,
    check_lexicon,
    check_out,
    finish,
    path_or_url,
    read_alpha,
    read_score_ranges,
    refuse_windows,
)
from egocurate.console import progress
from egocurate.curation.config import (
    DEFAULT_FILTERS,
    FILTERS,
    MOST_TEXT_NEGATIVES,
    REQUIRED_FILTERS,
    EgoClipConfig,
    EgoMCQConfig,
    TextNegativesConfig,
)

# An enumeration, as typer reads no list of a Literal.
Filter = StrEnum("Filter", {name: name for name in DEFAULT_FILTERS if name not in REQUIRED_FILTERS})


def egoclip(
    ctx: typer.Context,
    ego4d_root: NarrationRoot,
    out: Out,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    window: Window = "egoclip",
    alpha: Alpha = "4.9",
    lexicon: Lexicon = "auto",
    min_clip_seconds: Annotated[
        float, typer.Option("--min-clip-seconds", min=0, help="Leave shorter clips out.")
    ] = 0.0,
    without_filter: Annotated[
        list[Filter] | None,
        typer.Option("--without-filter", help="Switch a filter off; may be repeated."),
    ] = None,
    min_score: Annotated[
        list[str] | None,
        typer.Option(
            "--min-score",
            metavar="NAME=NUMBER",
            help="Keep clips whose score is at least that (egovid: dover_score, ...; segments: their columns score_*).",
        ),
    ] = None,
    max_score: Annotated[
        list[str] | None,
        typer.Option("--max-score", metavar="NAME=NUMBER", help="Keep clips whose score is at most that."),
    ] = None,
    fho_multi: Annotated[
        bool, typer.Option("--fho-multi", help="Leave videos out whose hand-object clips have several splits, too.")
    ] = False,
    text_negatives: Annotated[
        int,
        typer.Option(
            "--text-negatives",
            min=0,
            max=MOST_TEXT_NEGATIVES,
            metavar="K",
            help="Keep so many texts with each clip that are wrong of it: its own with another verb, or another noun.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the text negatives.")] = 0,
    tags_from: Annotated[
        Path | None,
        typer.Option(
            "--tags-from",
            parser=path_or_url,
            help="An earlier run's folder: texts tagged there are not tagged again.",
        ),
    ] = None,
    tables_only: TablesOnly = False,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    strict: Strict = False,
    retry_failed: RetryFailed = False,
    json: Json = False,
) -> None:
    """Build EgoClip: windows, tags, negatives, then shards.

    \b
    Examples:
      curate egoclip --ego4d-root demo/ego4d --out demo/mine
      curate egoclip --ego4d-root demo/ego4d --out demo/wrong --text-negatives 10
    """
    check_out(out, "egoclip", ego4d_root)
    check_lexicon(lexicon)
    ranges = read_score_ranges(min_score or (), max_score or ())
    more = {name for name, is_wanted in (("fho_multi", fho_multi), ("scores", ranges)) if is_wanted}
    config = EgoClipConfig(
        window=window,
        alpha=read_alpha(alpha),
        filters=tuple(f for f in FILTERS if f in {*DEFAULT_FILTERS, *more}.difference(without_filter or ())),
        min_clip_seconds=min_clip_seconds,
        score_ranges=ranges or None,
    )

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.egoclip import run_egoclip
    from egocurate.curation.sources.open import open_source

    options = RunOptions(profile, shard_clips, tables_only, ray_address, tags_from, strict, retry_failed)
    with progress(not json) as report:
        opened = open_source(source, ego4d_root, videos_dir or ())
        refuse_windows(ctx, opened)
        negatives = TextNegativesConfig(text_negatives, seed)
        outcome = run_egoclip(opened, out, config, lexicon, options, report, negatives)
    finish("EgoClip", outcome, json)


def egomcq(
    ctx: typer.Context,
    ego4d_root: NarrationRoot,
    out: Out,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    egoclip: Annotated[
        Path | None,
        typer.Option(
            "--egoclip",
            parser=path_or_url,
            metavar="PATH|URL",
            help="EgoClip that this is the test of: its videos are not asked about, its classes and alpha are taken "
            "(default: the one in --out).",
        ),
    ] = None,
    videos: Annotated[
        Literal["val", "all"], typer.Option("--videos", help="val: benchmark val videos; all: any video.")
    ] = "val",
    inter: Annotated[int, typer.Option("--inter", min=0, help="Questions over five videos.")] = 24_000,
    intra: Annotated[int, typer.Option("--intra", min=0, help="Questions within one video.")] = 15_000,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the questions.")] = 0,
    window: Window = "egoclip",
    alpha: Annotated[
        str | None,
        typer.Option("--alpha", help="Seconds, or auto: the mean gap (default: as the EgoClip has it, else 4.9)."),
    ] = None,
    lexicon: Annotated[
        str,
        typer.Option(
            "--lexicon", help="auto (the EgoClip's; else the root's taxonomy, else wordnet), wordnet, or a folder."
        ),
    ] = "auto",
    tables_only: TablesOnly = False,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    strict: Strict = False,
    retry_failed: RetryFailed = False,
    json: Json = False,
) -> None:
    """Build EgoMCQ: five-way questions from unseen videos.

    Example: curate egomcq --ego4d-root demo/ego4d --out demo/mine --inter 400 --intra 150
    """
    check_out(out, "egomcq", ego4d_root)
    check_lexicon(lexicon)
    seconds = None if alpha is None else read_alpha(alpha)
    config = EgoMCQConfig(videos=videos, inter=inter, intra=intra, seed=seed, window=window, alpha=seconds)

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.egomcq import run_egomcq
    from egocurate.curation.sources.open import open_source

    options = RunOptions(profile, shard_clips, tables_only, ray_address, strict=strict, retry_failed=retry_failed)
    with progress(not json) as report:
        opened = open_source(source, ego4d_root, videos_dir or ())
        refuse_windows(ctx, opened)
        outcome = run_egomcq(opened, out, config, egoclip, lexicon, options, report)
    finish("EgoMCQ", outcome, json)


def template() -> None:
    """Print a table of narrations to fill in, for --source table.

    Example: curate template > narrations.csv
    """
    from egocurate.curation.sources.table import TEMPLATE

    print(TEMPLATE, end="")
