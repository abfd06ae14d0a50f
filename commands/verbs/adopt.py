"""The verb that takes the tars of others as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.verbs.options import Json, Out, check_out, finish, path_or_url
from egocurate.console import progress


def adopt(
    tars: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_url, metavar="TARS...", help="Tar files, or folders of them; of this machine or URLs."
        ),
    ],
    out: Out,
    video: Annotated[
        str,
        typer.Option(
            "--video",
            metavar="ENDING",
            help="Member that is the clip: mp4, webm, or jpg for pictures (default: what the first sample has).",
        ),
    ] = "",
    text: Annotated[
        str,
        typer.Option(
            "--text",
            metavar="ENDING[:KEY]",
            help="Member with the text: txt, or a key of json, json:caption (default: what the first sample has).",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Index the tars of others as they are, to learn from them like from shards cut here.

    They are tars as WebDataset, img2dataset, video2dataset and Energon write them. Each is read once, and none is
    written: OUT gets index.parquet, manifest.json and, if samples were left out, failed.parquet with the reasons. The
    same command adds tars that have come since.

    Example: curate adopt demo/egoclip/shards --out demo/adopted --text json:clip_text
    """
    check_out(out, "adopt")

    from egocurate.commands.jobs.adopt import run_adopt

    with progress(not json) as report:
        outcome = run_adopt(tars, out, video, text, report)
    finish("Adopted", outcome, json)
