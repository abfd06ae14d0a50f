"""The verb that evaluates a run: eval."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    MCQ_HINT,
    Changes,
    McqJson,
    McqShards,
    Run,
    check_changes,
    check_file,
    check_folder,
    check_pair,
    check_run,
    check_shards,
    check_torch,
)
from egocurate.errors import InputError


def evaluate(
    run: Run,
    mcq_json: McqJson = "",
    mcq_shards: McqShards = "",
    mode: Annotated[
        Literal["dual", "fused", "ensemble"] | None,
        typer.Option(
            "--mode", help="Answer EgoMCQ by cosines, by fusion, or by the sum of both (default: as the run does)."
        ),
    ] = None,
    epic_retrieval: Annotated[
        str, typer.Option("--epic-retrieval", metavar="PATH", help="Folder retrieval_annotations of EPIC-KITCHENS-100.")
    ] = "",
    epic_shards: Annotated[
        str, typer.Option("--epic-shards", metavar="PATH|URL", help="Folder of shards with its clips.")
    ] = "",
    charades: Annotated[
        str, typer.Option("--charades", metavar="PATH", help="Folder with the csv and class files of Charades-Ego.")
    ] = "",
    charades_videos: Annotated[
        str, typer.Option("--charades-videos", metavar="PATH", help="Folder of its videos, <id>.mp4.")
    ] = "",
    change: Changes = None,
) -> None:
    """Evaluate a run on benchmarks, with its newest checkpoint.

    \b
    Examples:
      curate eval demo/run --mcq-json demo/egoclip/egomcq.json --mcq-shards demo/egoclip/egomcq-shards
      curate eval demo/run --charades /data/charades/CharadesEgo \\
          --charades-videos /data/charades/CharadesEgo_v1_480
      torchrun --standalone --nproc-per-node 8 -m egocurate.train eval demo/run \\
          --epic-retrieval /data/epic/retrieval_annotations --epic-shards /data/epic-shards

    Figures are printed and written to RUN/eval-<what>.json. Clips that are missing are named and left out of the
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
    check_run(run, changes)

    from egocurate.commands.jobs.evaluate import Benchmarks, evaluate_run

    benchmarks = Benchmarks(mcq_json, mcq_shards, mode or "", epic_retrieval, epic_shards, charades, charades_videos)
    if not evaluate_run(run, benchmarks, changes):
        raise typer.Exit(EXIT_INCOMPLETE)
