"""The verb that evaluates a run or a release: eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    MCQ_HINT,
    Changes,
    McqJson,
    McqShards,
    RecipeOfWeights,
    Run,
    Weights,
    check_changes,
    check_file,
    check_folder,
    check_out_here,
    check_pair,
    check_shards,
    check_source,
    check_torch,
)
from egocurate.errors import InputError


def evaluate(
    run: Run = None,
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="Folder for the figures (default RUN).")
    ] = None,
    mcq_json: McqJson = "",
    mcq_shards: McqShards = "",
    mode: Annotated[
        Literal["dual", "fused", "ensemble", "all"] | None,
        typer.Option(
            "--mode",
            help="Answer EgoMCQ by cosines, by fusion, by the sum of both, or in all these ways (default: the run's).",
        ),
    ] = None,
    epic_retrieval: Annotated[
        str, typer.Option("--epic-retrieval", metavar="PATH", help="Folder retrieval_annotations of EPIC-KITCHENS-100.")
    ] = "",
    epic_shards: Annotated[
        str, typer.Option("--epic-shards", metavar="PATH|URL", help="Folder of shards with its clips.")
    ] = "",
    dual_softmax: Annotated[
        bool, typer.Option("--dual-softmax", help="Figures of EPIC-KITCHENS-100 after a dual softmax, too.")
    ] = False,
    charades: Annotated[
        str, typer.Option("--charades", metavar="PATH", help="Folder with the csv and class files of Charades-Ego.")
    ] = "",
    charades_videos: Annotated[
        str, typer.Option("--charades-videos", metavar="PATH", help="Folder of its videos, <id>.mp4.")
    ] = "",
    change: Changes = None,
) -> None:
    """Evaluate a run on benchmarks, with its newest checkpoint, or weights that others published.

    \b
    Examples:
      curate eval demo/run --mcq-json demo/egoclip/egomcq.json --mcq-shards demo/egoclip/egomcq-shards
      curate eval demo/run --charades /data/charades/CharadesEgo \\
          --charades-videos /data/charades/CharadesEgo_v1_480
      torchrun --standalone --nproc-per-node 8 -m egocurate.train eval demo/run \\
          --epic-retrieval /data/epic/retrieval_annotations --epic-shards /data/epic-shards
      curate eval --weights EgoVLP.pth --out evals/egovlp \\
          --mcq-json /data/egoclip/egomcq.json --mcq-shards /data/egoclip/egomcq-shards

    A run's folder has its settings, and takes its figures. Weights alone have neither, so they have an option of their
    own: the settings are those of their recipe, the folder is --out, and a mistyped RUN is never looked for on the hub.
    Where the hub cannot be reached, --set tokenizer=FOLDER names the release's tokenizer.

    Figures are printed and written to OUT/eval-<what>.json. Clips that are missing are named and left out of the
    figures, and the exit status is 3.
    """
    check_torch()
    pairs = (
        ("--mcq-json", mcq_json, "--mcq-shards", mcq_shards),
        ("--epic-retrieval", epic_retrieval, "--epic-shards", epic_shards),
        ("--charades", charades, "--charades-videos", charades_videos),
    )
    for pair in pairs:
        check_pair(*pair)
    if dual_softmax and not epic_retrieval:
        raise InputError("--dual-softmax is of --epic-retrieval: name that, too")
    if not any(pair[1] for pair in pairs):
        raise InputError(f"name a benchmark: {', '.join(pair[0] for pair in pairs)}")
    for option, folder in (
        ("--epic-retrieval", epic_retrieval),
        ("--charades", charades),
        ("--charades-videos", charades_videos),
    ):
        check_folder(option, folder)
    check_shards("--mcq-shards", mcq_shards)
    check_shards("--epic-shards", epic_shards)
    check_file("--mcq-json", mcq_json, MCQ_HINT)
    changes = check_changes(change)
    if out is not None:
        check_out_here(out, "eval")
    elif weights:
        raise InputError("--weights needs --out: weights have no folder for the figures")
    source = check_source(run, weights, recipe, changes)

    from egocurate.commands.jobs.evaluate import Benchmarks, evaluate_run

    benchmarks = Benchmarks(
        mcq_json, mcq_shards, mode or "", epic_retrieval, epic_shards, dual_softmax, charades, charades_videos
    )
    if not evaluate_run(source, benchmarks, out or run, changes):
        raise typer.Exit(EXIT_INCOMPLETE)
