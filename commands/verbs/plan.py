"""The verb that says what a run takes before there is a machine for it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import Changes, Json, check_changes, check_torch
from egocurate.errors import InputError
from egocurate.training.config.recipes import RECIPES


def plan(
    recipe: Annotated[Literal[*RECIPES], typer.Argument(metavar="RECIPE", help="What is to be trained.")],
    gpu: Annotated[
        str,
        typer.Option("--gpu", metavar="NAME", help="Which GPU: h100, h200, b200, a100, a100-40, 4090, rtx-6000 ..."),
    ] = "h100",
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="How many there are, on all machines.")] = 8,
    cores: Annotated[
        int | None, typer.Option("--cores", min=2, help="CPU cores for each GPU; default as many as it takes.")
    ] = None,
    mfu: Annotated[
        str, typer.Option("--mfu", metavar="PERCENT", help="Share of the GPU's peak that is reached: 35, or 30-40.")
    ] = "30-40",
    clips: Annotated[
        int | None, typer.Option("--clips", min=1, help="Clips to learn from; default as many as EgoClip has.")
    ] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    """Say what a run takes: memory, speed, cores, days, disk.

    \b
    One node, with 16 cores for each of its GPUs:
      curate plan egovlp --gpus 8 --gpu h200 --cores 16
    One GPU at home, and what makes the batch fit into its memory:
      curate plan videomae --gpus 1 --gpu 4090 --cores 8
    With other settings than the recipe's:
      curate plan egovlpv2 --gpus 16 --gpu a100-40 --set data.frames=8 --mfu 25-35

    Memory and FLOPs are those of the recipe's own step, run on tensors that have a shape and no content: no GPU is
    needed, nothing is downloaded, and it takes seconds. The step is taken as it is without torch.compile, which needs
    less memory. Cores are those of the machine on which the rates of the profiles were measured (docs/training.md).
    """
    check_torch()
    share = read_mfu(mfu)
    changes = check_changes(change)

    # All that can be said without torch, which takes its seconds to load, is said before.
    from egocurate.training.config.overrides import with_setting
    from egocurate.training.monitor.gpu_specs import find_gpu
    from egocurate.training.plan.fit import anchors_per_gpu
    from egocurate.training.plan.run_plan import EGOCLIP_CLIPS, Hardware

    config, hardware = RECIPES[recipe](), Hardware(gpus, find_gpu(gpu), cores)
    for setting in changes:
        config = with_setting(config, setting)
    anchors_per_gpu(config, gpus)
    if (clips or EGOCLIP_CLIPS) < config.batch_size:
        raise InputError(f"--clips {clips}: fewer than batch_size={config.batch_size}")

    from egocurate.commands.jobs.plan import print_plan

    print_plan(recipe, config, hardware, share, clips or EGOCLIP_CLIPS, as_json=json)


def read_mfu(text: str) -> tuple[float, float]:
    """Return the low and the high share of the peak, 0 to 1, of "35" or "30-40"; raises InputError."""
    try:
        shares = [float(part) / 100 for part in text.split("-")]
    except ValueError:
        shares = []
    low, high = (shares or [0])[0], (shares or [0])[-1]
    if len(shares) > 2 or not 0 < low <= high <= 1:
        raise InputError(f"--mfu {text}: give percent of the GPU's peak, such as 35 or 30-40")
    return low, high
