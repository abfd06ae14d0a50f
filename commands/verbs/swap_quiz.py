"""The verb that asks which text is right of a clip, swap-quiz, and the option that takes its questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.verbs.options import (
    MCQ_HINT,
    Json,
    check_file,
    check_pair,
    check_shards,
    finish,
    path_or_url,
)
from egocurate.console import progress
from egocurate.curation.config import MOST_TEXT_NEGATIVES, TextNegativesConfig

SwapQuizFile = Annotated[
    str,
    typer.Option(
        "--swap-quiz", metavar="PATH", help="Questions of `curate swap-quiz`, about clips of --mcq-shards, too."
    ),
]


def swap_quiz(
    egomcq: Annotated[
        Path, typer.Argument(parser=path_or_url, metavar="EGOMCQ", help="Folder in which `curate egomcq` has written.")
    ],
    egoclip: Annotated[
        Path | None,
        typer.Option(
            "--egoclip",
            parser=path_or_url,
            metavar="PATH|URL",
            help="EgoClip in whose words swaps are made (default: the one in EGOMCQ).",
        ),
    ] = None,
    swaps: Annotated[
        int, typer.Option("--swaps", min=1, max=MOST_TEXT_NEGATIVES, help="Wrong verbs of a text, and wrong nouns.")
    ] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the questions.")] = 0,
    json: Json = False,
) -> None:
    """Ask which text is right of a clip: its own, or one with another verb or another noun.

    The questions are about the clips of EgoMCQ, which no model has seen, and in EgoHOIBench's form: a text among ten
    with another verb, and among ten with another noun. No clip is cut again. EGOMCQ/swap_quiz.json is for `curate
    train` and `curate eval`.

    Example: curate swap-quiz demo/egoclip
    """
    from egocurate.commands.swap_quiz.job import run_swap_quiz

    with progress(not json) as report:
        outcome = run_swap_quiz(egomcq, egoclip, TextNegativesConfig(swaps, seed), report)
    finish("Swap quiz", outcome, json)


def check_questions(mcq_json: str, mcq_shards: str, swap_quiz: str) -> None:
    """Raise InputError for questions without the shards of their clips, or the other way round, or that are not there.

    The swap quiz is about the same clips as EgoMCQ.
    """
    if swap_quiz:
        check_pair("--swap-quiz", swap_quiz, "--mcq-shards", mcq_shards)
        check_file("--swap-quiz", swap_quiz, "give the swap_quiz.json that `curate swap-quiz` wrote")
    else:
        check_pair("--mcq-json", mcq_json, "--mcq-shards", mcq_shards)
    check_shards("--mcq-shards", mcq_shards)
    check_file("--mcq-json", mcq_json, MCQ_HINT)
