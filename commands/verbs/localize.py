"""The verbs that find stretches of long videos, from features, and make summaries of them: nlq, mq and qfvs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import check_out_here, check_torch
from egocurate.errors import InputError

Features = Annotated[
    list[Path],
    typer.Option(
        "--features",
        metavar="PATH",
        help="Folder with <video>.pt, .npy or .parquet, a row for each stretch of a video; repeated: side by side.",
    ),
]
Annotations = Annotated[
    tuple[Path, Path],
    typer.Option("--annotations", metavar="TRAIN TEST", help="Ego4D's files to learn from and to test on."),
]
OutOfRun = Annotated[Path, typer.Option("--out", metavar="PATH", help="Folder of the run.")]
Rate = Annotated[
    float | None,
    typer.Option("--rate", help="Rows per second (default: as `curate features` noted, else Ego4D's 1.875)."),
]
Text = Annotated[
    str,
    typer.Option(
        "--text",
        metavar="RUN|WEIGHTS",
        help="What embeds the queries, best what made the features (default: they are their words alone).",
    ),
]
Words = Annotated[
    str,
    typer.Option(
        "--words",
        metavar="RUN|WEIGHTS",
        help="What reads their words: the last hidden states of its text tower, frozen (default: they are learned).",
    ),
]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="Times that every item is learned from.")]
Batch = Annotated[int, typer.Option("--batch-size", min=1, help="Items of a step.")]
LearningRate = Annotated[float, typer.Option("--lr", help="Learning rate, which falls to 0 in a line.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the first weights, the order and the dropout.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Leave a GPU alone.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the newest epoch in OUT, if there is one.")]


def nlq(
    features: Features,
    annotations: Annotations,
    out: OutOfRun,
    text: Text = "",
    words: Words = "",
    rate: Rate = None,
    positions: Annotated[int, typer.Option("--positions", min=8, help="A clip's rows are pooled to so many.")] = 128,
    epochs: Epochs = 100,
    batch_size: Batch = 32,
    lr: LearningRate = 1e-3,
    seed: Seed = 0,
    cpu: Cpu = False,
    resume: Resume = False,
) -> None:
    """Learn Ego4D's natural language queries from features, by VSLNet, and test them.

    \b
    Examples:
      curate nlq --features features/long --text demo/run --epochs 25 --out runs/nlq-long \\
          --annotations long/v2/annotations/nlq_train.json long/v2/annotations/nlq_val.json

    OUT gets predictions.json in the form of Ego4D's challenge, result.json with R1 and R5 at IoU .3 and .5 in percent,
    losses.csv and checkpoint.pt. Clips without features are named and left out, and the exit status is 3. With
    nlq_test_unannotated.json as TEST there are predictions only. The defaults are EgoVLP's.
    """
    _check(features, annotations, out, "nlq", lr)

    from egocurate.commands.localization.stretches import LocalizeRequest, run_nlq
    from egocurate.training.localization.loop import LoopConfig

    request = LocalizeRequest(features, rate, *annotations, out, positions, text, words, resume, not cpu)
    if not run_nlq(request, LoopConfig(epochs, batch_size, lr, seed)):
        raise typer.Exit(EXIT_INCOMPLETE)


def mq(
    features: Features,
    annotations: Annotations,
    out: OutOfRun,
    rate: Rate = None,
    positions: Annotated[int, typer.Option("--positions", min=16, help="A clip's rows are pooled to so many.")] = 2304,
    epochs: Epochs = 30,
    batch_size: Batch = 2,
    lr: LearningRate = 5e-4,
    seed: Seed = 0,
    cpu: Cpu = False,
    resume: Resume = False,
) -> None:
    """Learn Ego4D's moment queries from features, by an anchor-free detector of ActionFormer's kind, and test them.

    \b
    Examples:
      curate mq --features features/long --epochs 15 --out runs/mq-long \\
          --annotations long/v2/annotations/moments_train.json long/v2/annotations/moments_val.json

    OUT gets predictions.json in the form of Ego4D's challenge, result.json with mAP at tIoU .1 to .5 and recall at 1x
    and 5x in percent, losses.csv and checkpoint.pt. Primary labels count. Clips without features are named and left
    out, and the exit status is 3. With moments_test_unannotated.json as TEST there are predictions only.
    """
    _check(features, annotations, out, "mq", lr)

    from egocurate.commands.localization.stretches import LocalizeRequest, run_mq
    from egocurate.training.localization.loop import LoopConfig

    request = LocalizeRequest(features, rate, *annotations, out, positions, resume=resume, gpu=not cpu)
    if not run_mq(request, LoopConfig(epochs, batch_size, lr, seed)):
        raise typer.Exit(EXIT_INCOMPLETE)


def qfvs(
    features: Features,
    annotations: Annotated[
        Path,
        typer.Option(
            "--annotations",
            metavar="PATH",
            help="Folder with Dense_per_shot_tags and Query-Focused_Summaries, as published for UT-Ego.",
        ),
    ],
    out: OutOfRun,
    text: Text = "",
    rate: Rate = None,
    share: Annotated[float, typer.Option("--share", help="Of a video's shots, what a summary shows.")] = 0.02,
    epochs: Epochs = 20,
    batch_size: Batch = 20,
    lr: LearningRate = 1e-5,
    seed: Seed = 0,
    cpu: Cpu = False,
    resume: Resume = False,
) -> None:
    """Learn query-focused summaries from features of shots of 5 s, each video tested once by the others.

    \b
    Examples:
      curate features demo/run --videos long/summaries/videos --rate 0.2 --out features/shots
      curate qfvs --features features/shots --annotations long/summaries --text demo/run --lr 1e-3 --out runs/qfvs-long

    OUT gets result.json with F1, precision and recall by video and their means, as EgoVLPv2's evaluation computes them,
    and for each video a folder with predictions.json (query to shots, from 1), losses.csv and checkpoint.pt. Videos
    without features are named and left out, and the exit status is 3. The defaults are EgoVLPv2's.
    """
    if not annotations.is_dir():
        raise InputError(f"--annotations {annotations}: there is no such folder")
    if not 0 < share <= 1:
        raise InputError(f"--share {share}: give a part of the shots above 0 and at most 1, as 0.02")
    _check_run(features, out, "qfvs", lr)

    from egocurate.commands.localization.summaries import SummaryRequest, run_qfvs
    from egocurate.training.localization.loop import LoopConfig

    request = SummaryRequest(features, rate, annotations, out, share, text, resume, not cpu)
    if not run_qfvs(request, LoopConfig(epochs, batch_size, lr, seed)):
        raise typer.Exit(EXIT_INCOMPLETE)


def _check(features: list[Path], annotations: tuple[Path, Path], out: Path, verb: str, lr: float) -> None:
    for path in annotations:
        if not path.is_file():
            raise InputError(f"--annotations {path}: there is no such file; give two, to learn from and to test on")
    _check_run(features, out, verb, lr)


def _check_run(features: list[Path], out: Path, verb: str, lr: float) -> None:
    check_torch()
    for folder in features:
        if not folder.is_dir():
            raise InputError(f"--features {folder}: there is no such folder; `curate features` writes one")
    if not 0 < lr < 10:
        raise InputError(f"--lr {lr}: give a rate above 0, as 1e-3")
    check_out_here(out, verb)
