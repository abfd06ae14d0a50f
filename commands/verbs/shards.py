"""The verbs that cut videos: shards, segments, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import (
    Json,
    Out,
    ProfileName,
    RayAddress,
    Root,
    ShardClips,
    SourceName,
    Strict,
    VideosDirs,
    check_out,
    explain_choices,
    finish,
    path_or_url,
)
from egocurate.console import progress
from egocurate.shards.export.chunk_layouts import LAYOUTS


def shards(
    egoclip: Annotated[
        Path,
        typer.Option(
            "--egoclip",
            parser=path_or_url,
            metavar="PATH|URL",
            help="EgoClip folder, egoclip.csv as published, a parquet table, or a labeled csv of EPIC-KITCHENS.",
        ),
    ],
    ego4d_root: Root,
    out: Out,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Cut the clips of a table into tar shards.

    Example: curate shards --egoclip demo/egoclip/egoclip.csv --ego4d-root demo/ego4d --out demo/shards
    """
    check_out(out, "shards", ego4d_root)

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.shards import run_shards
    from egocurate.curation.sources.open import open_source

    options = RunOptions(profile, shard_clips, ray_address=ray_address, strict=strict)
    with progress(not json) as report:
        outcome = run_shards(egoclip, open_source(source, ego4d_root, videos_dir or ()), out, options, report)
    finish("Shards", outcome, json)


def segments(
    ego4d_root: Root,
    out: Out,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Length of a clip.")] = 4.0,
    stride: Annotated[float, typer.Option("--stride", min=0.1, help="From one clip's start to the next.")] = 4.0,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Cut whole videos into text-free clips.

    Example: curate segments --ego4d-root demo/ego4d --out demo/segments --seconds 4 --stride 4
    """
    check_out(out, "segments", ego4d_root)

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.segments import run_segments
    from egocurate.curation.sources.open import open_source

    options = RunOptions(profile, shard_clips, ray_address=ray_address, strict=strict)
    with progress(not json) as report:
        outcome = run_segments(open_source(source, ego4d_root, videos_dir or ()), out, seconds, stride, options, report)
    finish("Segments", outcome, json)


def export(
    ego4d_root: Root,
    out: Out,
    like: Annotated[
        Literal[*LAYOUTS],
        typer.Option("--like", help=f"Whose code is to read them: {explain_choices(LAYOUTS)}"),
    ],
    layout: Annotated[
        Literal["chunks"], typer.Option("--layout", help="chunks: a folder of mp4 files per video.")
    ] = "chunks",
    egoclip: Annotated[
        Path | None,
        typer.Option(
            "--egoclip",
            parser=path_or_url,
            metavar="PATH|URL",
            help="Clips to write too: an EgoClip folder, egoclip.csv, or a parquet table.",
        ),
    ] = None,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Write videos and clips as older code reads them.

    Example: curate export --layout chunks --like lavila --ego4d-root demo/ego4d --out demo/video_288px
    """
    check_out(out, "export", ego4d_root)

    from egocurate.commands.jobs.export import run_export
    from egocurate.curation.sources.open import open_source

    with progress(not json) as report:
        outcome = run_export(open_source(source, ego4d_root, videos_dir or ()), out, like, egoclip, ray_address, report)
    finish("Export", outcome, json)
