"""The verb that adds captions to clips that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.caption_kinds import CAPTION_KINDS
from egocurate.commands.verbs.options import Json, Out, check_out, finish, path_or_url
from egocurate.console import progress


def captions(
    egoclip: Annotated[
        Path,
        typer.Argument(
            parser=path_or_url, metavar="EGOCLIP", help="EgoClip folder, egoclip.csv or a parquet table of clips."
        ),
    ],
    add: Annotated[
        Path,
        typer.Option(
            "--add",
            parser=path_or_url,
            metavar="PATH|URL",
            help="Texts of segments: a pickle of LaViLa's narrator or rephraser, or a csv, parquet or jsonl file with "
            "video, start_sec, end_sec, text.",
        ),
    ],
    out: Out,
    kind: Annotated[
        Literal[*CAPTION_KINDS], typer.Option("--kind", help="Who wrote them; data.captions draws by it.")
    ] = "rephrased",
    weight: Annotated[float, typer.Option("--weight", help="Weight of each in a draw; a clip's own text has 1.")] = 1.0,
    min_overlap: Annotated[
        float,
        typer.Option(
            "--min-overlap", help="Least intersection over union of a segment and a clip that has not its exact times."
        ),
    ] = 0.5,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            "--lexicon", parser=path_or_url, help="Folder of the clips' classes (default: lexicon/ beside the table)."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add captions to the clips of an EgoClip: rephrased or narrated by a model, or further ones by people.

    Example: curate captions demo/egoclip --add rephrased.pkl --kind rephrased --out demo/captioned

    `curate shards --egoclip OUT` cuts the clips, each video once; `data.captions=draw` trains on all.
    """
    check_out(out, "captions", egoclip)

    from egocurate.commands.jobs.captions import CaptionOptions, run_captions

    options = CaptionOptions(kind, weight, min_overlap)
    with progress(not json) as report:
        outcome = run_captions(egoclip, add, out, options, lexicon, report)
    finish("Captions", outcome, json)
