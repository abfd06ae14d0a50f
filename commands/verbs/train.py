"""The verb that trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import (
    Changes,
    McqJson,
    McqShards,
    check_changes,
    check_out_here,
    check_shards,
    check_torch,
)
from egocurate.commands.verbs.swap_quiz import SwapQuizFile, check_questions
from egocurate.errors import InputError
from egocurate.training.config.recipes import RECIPES


def _print_settings(recipe: str | None) -> None:
    if recipe is None:
        return
    from egocurate.training.config.settings import list_settings

    print(f"{recipe}: {(RECIPES[recipe].__doc__ or '').partition(chr(10))[0]}\n")
    for setting in list_settings(RECIPES[recipe]()):
        about = f"{setting.kind}; {setting.about}" if setting.about else setting.kind
        print(f"{f'{setting.key}={setting.value}':<52} {about}")
    raise typer.Exit


def train(
    recipe: Annotated[
        Literal[*RECIPES], typer.Argument(metavar="RECIPE", help="What is trained; --settings tells what it sets.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="PATH", help="Folder of the run.")],
    shards: Annotated[
        list[str] | None,
        typer.Option("--shards", metavar="PATH|URL", help="Folder of tar shards to learn from; may be repeated."),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="FILE", help="YAML file that names several, with their weights, texts and tags."
        ),
    ] = "",
    mcq_json: McqJson = "",
    mcq_shards: McqShards = "",
    swap_quiz: SwapQuizFile = "",
    test_shards: Annotated[
        str,
        typer.Option(
            "--test-shards", metavar="PATH|URL", help="Folder of shards on which the recipe of a task is tested."
        ),
    ] = "",
    annotations: Annotated[
        str,
        typer.Option("--annotations", metavar="PATH", help="The task's annotations as published, where it needs them."),
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in OUT, if it has one.")
    ] = False,
    change: Changes = None,
    settings: Annotated[
        Literal[*RECIPES] | None,
        typer.Option(
            "--settings",
            metavar="RECIPE",
            callback=_print_settings,
            is_eager=True,
            help="Print what --set can change: each setting of a recipe, its value and its meaning.",
        ),
    ] = None,
) -> None:
    """Train a recipe on shards; with questions it answers EgoMCQ.

    EgoMCQ is answered before, during and after training, by recipes with a text tower.

    \b
    One process, on a GPU if there is one:
      curate train egovlp-tiny --shards demo/egoclip/shards --out demo/runs/1 \\
          --mcq-json demo/egoclip/egomcq.json --mcq-shards demo/egoclip/egomcq-shards
    One machine with 8 GPUs:
      torchrun --standalone --nproc-per-node 8 -m egocurate.train egovlp \\
          --shards /data/egoclip/shards --out demo/runs/2
    Two machines with 8 GPUs each: the same line on both; HOST is one of them, and both see the folder:
      torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
          -m egocurate.train egovlp --shards /data/egoclip/shards --out demo/runs/2
    Three clips of one folder for each one of another:
      curate train egovlp --shards /data/egoclip/shards --shards /data/more/shards --set weights=3,1 --out demo/runs/3
    Many folders, with their weights, by a file (docs, "Adopt"):
      curate train egovlp --data data.yaml --out demo/runs/5
    Other settings than the recipe's, and which there are:
      curate train egovlp --shards /data/egoclip/shards --out demo/runs/4 \\
          --set optimizer.lr=1e-4 --set model.video.depth=6
      curate train --settings egovlp

    To go on after a stop, on any number of GPUs that divides the batch, repeat the line with --resume.

    OUT gets recipe.json, versions.json, metrics.csv, curves.png, tensorboard/, checkpoints/, result.json and
    tokenizer/.
    """
    check_torch()
    check_questions(mcq_json, mcq_shards, swap_quiz)
    check_out_here(out, "train")
    changes = check_changes(change)

    # All that can be said without torch, which takes its seconds to load, is said before.
    from egocurate.training.config.data_file import with_data_file
    from egocurate.training.config.overrides import with_setting
    from egocurate.training.run.run_folder import find_checkpoint
    from egocurate.training.run.start_sizes import with_sizes_of_start

    if bool(shards) == bool(data):
        raise InputError("name what to learn from: --shards FOLDER, once or more, or --data FILE")
    config = replace(
        RECIPES[recipe](),
        shards=tuple(shards or ()),
        mcq_json=mcq_json,
        mcq_shards=mcq_shards,
        swap_quiz=swap_quiz,
        test_shards=test_shards,
        annotations=annotations,
        out=out,
    )
    config = with_data_file(config, data) if data else config
    starts = [setting for setting in changes if setting.startswith("start=")]
    for setting in starts:
        config = with_setting(config, setting)
    config = with_sizes_of_start(config)  # before other settings, which change them
    for setting in changes:
        config = with_setting(config, setting)
    for folder in config.shards:
        check_shards("--data" if data else "--shards", folder)
    check_shards("--test-shards", test_shards)
    find_checkpoint(config, resume)

    from egocurate.console import screen
    from egocurate.train import train as train_config

    with screen() as (say, report):
        train_config(config, resume=resume, report=report, say=say)
