"""The verb that writes features of long videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    videos: Annotated[
        Path,
        typer.Option("--videos", metavar="PATH", help="Folder of videos, or a text file with a path on each line."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Folder for the features.")],
    run: Run = None,
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    rate: Annotated[float, typer.Option("--rate", help="Clips per second.")] = 1.875,
    change: Changes = None,
) -> None:
    """Write features of long videos, as models for Ego4D's NLQ and MQ read them.

    \b
    Examples:
      curate features demo/run --videos demo/ego4d/v2/full_scale --out demo/features
      torchrun --standalone --nproc-per-node 8 -m egocurate.train features demo/run \\
          --videos demo/ego4d/v2/full_scale --out demo/features
      curate features --weights EgoVLP.pth --videos /data/ego4d/v2/full_scale --out features/egovlp

    OUT gets <video>.pt, a float32 tensor [N, D] with an embedding for each clip of a video, by the newest checkpoint of
    RUN, or by --weights that others published with the settings of their recipe: VSLNet and VSGN read it as it is.
    Repeat the line to go on after a stop. Videos that cannot be read are named, OUT/failed says why, and the exit
    status is 3.
    """
    check_torch()
    if not videos.exists():
        raise InputError(f"--videos {videos}: neither a folder of videos nor a text file with a path on each line")
    if not rate > 0:
        raise InputError(f"--rate {rate}: give clips per second above 0")
    check_out_here(out, "features")
    changes = check_changes(change)
    source = check_source(run, weights, recipe, changes)

    from egocurate.commands.jobs.features import features_of_run

    if not features_of_run(source, videos, out, rate, changes):
        raise typer.Exit(EXIT_INCOMPLETE)
