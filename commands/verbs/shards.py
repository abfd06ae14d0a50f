"""The verbs that cut videos: shards, segments, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import (
    Json,
    LabelNamesFrom,
    Labels,
    Out,
    ProfileName,
    RayAddress,
    RetryFailed,
    Root,
    ShardClips,
    SourceName,
    Strict,
    TablesOnly,
    VideosDirs,
    check_out,
    explain_choices,
    finish,
    label_kinds,
    path_or_url,
)
from egocurate.console import progress
from egocurate.errors import InputError
from egocurate.shards.export.chunk_layouts import LAYOUTS

OptionalRoot = Annotated[
    Path | None,
    typer.Option(
        "--ego4d-root",
        "--root",
        parser=path_or_url,
        metavar="PATH|URL",
        help="The videos: of the kind that --source names. With --csv it may be left out.",
    ),
]
LabelFile = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        "--annotations",
        parser=path_or_url,
        metavar="PATH|URL",
        help="File of labeled videos or segments: a csv with video, start_sec, end_sec and labels, a list of paths and "
        "labels, or the file of a benchmark.",
    ),
]


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
    labels: Labels = "",
    label_names: LabelNamesFrom = None,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    strict: Strict = False,
    retry_failed: RetryFailed = False,
    json: Json = False,
) -> None:
    """Cut the clips of a table into tar shards.

    With --labels, clips of EPIC-KITCHENS-100's csv get the classes of verb, noun and action; a table that has labels
    keeps them.

    Example: curate shards --egoclip demo/egoclip/egoclip.csv --ego4d-root demo/ego4d --out demo/shards
    """
    check_out(out, "shards", ego4d_root)

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.labels import LabelOptions
    from egocurate.commands.jobs.shards import run_shards
    from egocurate.curation.sources.open import open_source

    if label_names and not labels:
        raise InputError("--label-names needs --labels")
    asked = LabelOptions(egoclip, label_kinds(labels), tuple(label_names or ())) if labels else None
    options = RunOptions(profile, shard_clips, ray_address=ray_address, strict=strict, retry_failed=retry_failed)
    with progress(not json) as report:
        outcome = run_shards(egoclip, open_source(source, ego4d_root, videos_dir or ()), out, options, report, asked)
    finish("Shards", outcome, json)


def segments(
    out: Out,
    ego4d_root: OptionalRoot = None,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Length of a clip.")] = 4.0,
    stride: Annotated[float, typer.Option("--stride", min=0.1, help="From one clip's start to the next.")] = 4.0,
    csv: LabelFile = None,
    labels: Labels = "",
    label_names: LabelNamesFrom = None,
    before: Annotated[
        float | None,
        typer.Option(
            "--before",
            min=0.0,
            help="With --csv: not the segments, but --seconds that end so many seconds before each, to foretell it.",
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
    """Cut whole videos into text-free clips, or cut labeled segments.

    Example: curate segments --ego4d-root demo/ego4d --out demo/segments --seconds 4 --stride 4

    With --csv, the clips are the segments of a file of labels, and have its classes: docs, "Labels".
    Its videos are looked for beside it, in --videos-dir, or in a root.

    Example: curate segments --csv labels.csv --labels verb,noun --out labeled

    With --before 1, the clips are the seconds that end 1 s before each segment.
    """
    check_out(out, "segments", ego4d_root)

    from egocurate.commands.jobs.cutting import RunOptions
    from egocurate.commands.jobs.labels import LabelOptions, run_labeled
    from egocurate.commands.jobs.segments import run_segments
    from egocurate.curation.labels.windows_before import Before
    from egocurate.curation.sources.open import open_source

    if csv is None and ego4d_root is None:
        raise InputError("name what is to be cut: --ego4d-root ROOT for whole videos, or --csv FILE for labeled ones")
    if csv is None and (labels or label_names or tables_only or before is not None):
        raise InputError("--labels, --label-names, --before and --tables-only go with --csv FILE")
    videos = open_source(source, ego4d_root, videos_dir or ()) if ego4d_root else None
    options = RunOptions(profile, shard_clips, tables_only, ray_address, strict=strict, retry_failed=retry_failed)
    with progress(not json) as report:
        if csv is not None:
            ahead = None if before is None else Before(before, seconds)
            asked = LabelOptions(csv, label_kinds(labels), tuple(label_names or ()), ahead)
            outcome = run_labeled(asked, videos or open_source("labels", csv, videos_dir or ()), out, options, report)
        else:
            outcome = run_segments(videos, out, seconds, stride, options, report)
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
