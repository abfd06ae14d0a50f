"""The verb that writes features of long videos, of stretches of them and of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    Changes,
    RecipeOfWeights,
    Run,
    Weights,
    check_changes,
    check_out_here,
    check_source,
    check_torch,
)
from egocurate.errors import InputError


def features(
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Folder for the features.")],
    run: Run = None,
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    videos: Annotated[
        Path | None,
        typer.Option("--videos", metavar="PATH", help="Folder of videos, or a text file with a path on each line."),
    ] = None,
    rate: Annotated[float, typer.Option("--rate", help="Clips per second of whole videos.")] = 1.875,
    stretches: Annotated[
        Path | None,
        typer.Option(
            "--stretches",
            metavar="FILE",
            help="In place of whole videos: csv or parquet with columns video, start_sec, end_sec, perhaps name.",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option("--texts", metavar="FILE", help="Texts: one on each line, or column text of a csv or parquet."),
    ] = None,
    form: Annotated[
        Literal["pt", "npy", "parquet"],
        typer.Option("--form", help="Files to write: pt (torch.load), npy (numpy.load) or parquet."),
    ] = "pt",
    change: Changes = None,
) -> None:
    """Write features of long videos, as models for Ego4D's NLQ and MQ read them, of stretches of videos, and of texts.

    \b
    Examples:
      curate features demo/run --videos demo/ego4d/v2/full_scale --out demo/features
      curate features runs/egovlp --videos /data/ego4d/v2/full_scale --stretches /data/stretches.csv \\
          --texts /data/texts.txt --form npy --out features/stretches
      torchrun --standalone --nproc-per-node 8 -m egocurate.train features demo/run \\
          --videos demo/ego4d/v2/full_scale --out demo/features
      curate features --weights EgoVLP.pth --videos /data/ego4d/v2/full_scale --out features/egovlp

    OUT gets <video>.pt, a float32 tensor [N, D] with an embedding for each clip of a video, by the newest checkpoint of
    RUN, or by --weights that others published with the settings of their recipe: VSLNet and VSGN read it as it is. Of
    --stretches and --texts it gets stretches.pt and texts.pt, a row for each row of the file, in its order and of
    length 1: the product of two is their cosine. Repeat the line to go on after a stop. What cannot be read is named,
    OUT says why (failed, stretches.failed.csv), and the exit status is 3.
    """
    check_torch()
    _check_inputs(videos, stretches, texts)
    if not rate > 0:
        raise InputError(f"--rate {rate}: give clips per second above 0")
    check_out_here(out, "features")
    changes = check_changes(change)
    source = check_source(run, weights, recipe, changes)

    from egocurate.commands.jobs.features import FeatureRequest, features_of_run

    if not features_of_run(source, FeatureRequest(out, form, videos, rate, stretches, texts), changes):
        raise typer.Exit(EXIT_INCOMPLETE)


def _check_inputs(videos: Path | None, stretches: Path | None, texts: Path | None) -> None:
    """Raise InputError if nothing is to be embedded, or what is named is not there."""
    if videos is None and stretches is not None:
        raise InputError(f"--stretches {stretches}: name with --videos the folder where its videos are")
    if videos is None and texts is None:
        raise InputError("nothing to embed: give --videos, or --texts")
    if videos is not None and not videos.exists():
        raise InputError(f"--videos {videos}: neither a folder of videos nor a text file with a path on each line")
    for option, path in (("--stretches", stretches), ("--texts", texts)):
        if path is not None and not path.is_file():
            raise InputError(f"{option} {path}: no such file")
