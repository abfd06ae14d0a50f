"""The verb that evaluates a run or a release: eval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    Changes,
    LabelNamesFrom,
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
from egocurate.commands.verbs.swap_quiz import SwapQuizFile, check_questions
from egocurate.errors import InputError

if TYPE_CHECKING:
    from egocurate.commands.evaluation.benchmarks import ZeroShotRequest
    from egocurate.training.tasks.zero_shot.video_retrieval import RetrievalTest


def evaluate(
    run: Run = None,
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="Folder for the figures (default RUN).")
    ] = None,
    mcq_json: McqJson = "",
    mcq_shards: McqShards = "",
    swap_quiz: SwapQuizFile = "",
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
    charades: Annotated[
        str, typer.Option("--charades", metavar="PATH", help="Folder with the csv and class files of Charades-Ego.")
    ] = "",
    charades_videos: Annotated[
        str, typer.Option("--charades-videos", metavar="PATH", help="Folder of its videos, <id>.mp4.")
    ] = "",
    zero_shot: Annotated[
        str,
        typer.Option("--zero-shot", metavar="PATH|URL", help="Folder of shards with labels: classes by their names."),
    ] = "",
    label: Annotated[
        str, typer.Option("--label", metavar="KIND", help="The label that --zero-shot asks for (default: each).")
    ] = "",
    label_names: LabelNamesFrom = None,
    templates: Annotated[
        Path | None,
        typer.Option("--templates", metavar="FILE", help="Sentences with {} for the class's name, one on each line."),
    ] = None,
    views: Annotated[
        int, typer.Option("--views", min=1, max=100, help="Runs of frames along each clip of --zero-shot, averaged.")
    ] = 1,
    retrieval: Annotated[
        Path | None,
        typer.Option("--retrieval", metavar="CSV", help="Captions of videos: columns video_id, sentence, as MSR-VTT."),
    ] = None,
    retrieval_shards: Annotated[
        str, typer.Option("--retrieval-shards", metavar="PATH|URL", help="Folder of shards with these videos.")
    ] = "",
    retrieval_videos: Annotated[
        str, typer.Option("--retrieval-videos", metavar="PATH", help="Or their files: a folder, or a list of paths.")
    ] = "",
    dual_softmax: Annotated[
        bool, typer.Option("--dual-softmax", help="Retrieval also by similarities weighted over all queries.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every benchmark whose data are in --data: one table, OUT/eval-all.json.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="Folder of --all, laid out as the documentation says.")
    ] = None,
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
      curate eval demo/run --swap-quiz demo/egoclip/swap_quiz.json --mcq-shards demo/egoclip/egomcq-shards
      curate eval demo/run --zero-shot /data/labels/train
      curate eval demo/run --retrieval /data/retrieval.csv --retrieval-videos demo/ego4d/v2/full_scale
      curate eval demo/run --all --data /data/benchmarks

    A run's folder has its settings, and takes its figures. Weights alone have neither, so they have an option of their
    own: the settings are those of their recipe, the folder is --out, and a mistyped RUN is never looked for on the hub.
    Where the hub cannot be reached, --set tokenizer=FOLDER names the release's tokenizer.

    Figures are printed and written to OUT/eval-<what>.json. Clips that are missing are named and left out of the
    figures, and the exit status is 3.
    """
    check_torch()
    pairs = (
        ("--epic-retrieval", epic_retrieval, "--epic-shards", epic_shards),
        ("--charades", charades, "--charades-videos", charades_videos),
    )
    check_questions(mcq_json, mcq_shards, swap_quiz)
    for pair in pairs:
        check_pair(*pair)
    if dual_softmax and not (epic_retrieval or retrieval):
        raise InputError("--dual-softmax is of --epic-retrieval and --retrieval: name one of them, too")
    captions = _retrieval(retrieval, retrieval_shards, retrieval_videos, dual_softmax)
    classes = _zero_shot(zero_shot, label, label_names, templates, views)
    named = [option for option, value in (("--mcq-json", mcq_json), ("--swap-quiz", swap_quiz)) if value]
    named += [option for option, value, *_ in pairs if value]
    named += ["--zero-shot"] * len(classes) + ["--retrieval"] * (captions is not None)
    _check_all(everything, data, named)
    for option, folder in (
        ("--epic-retrieval", epic_retrieval),
        ("--charades", charades),
        ("--charades-videos", charades_videos),
    ):
        check_folder(option, folder)
    check_shards("--epic-shards", epic_shards)
    changes = check_changes(change)
    if out is not None:
        check_out_here(out, "eval")
    elif weights:
        raise InputError("--weights needs --out: weights have no folder for the figures")
    source = check_source(run, weights, recipe, changes)

    from egocurate.commands.evaluation.benchmarks import Benchmarks
    from egocurate.commands.jobs.evaluate import evaluate_all, evaluate_run

    if data is not None:
        whole = evaluate_all(source, data, mode or "", out or run, changes)
    else:
        paths = (mcq_json, mcq_shards, mode or "", epic_retrieval, epic_shards, charades, charades_videos)
        benchmarks = Benchmarks(*paths, classes, captions, dual_softmax, swap_quiz)
        whole = evaluate_run(source, benchmarks, out or run, changes)
    if not whole:
        raise typer.Exit(EXIT_INCOMPLETE)


def _check_all(everything: bool, data: Path | None, named: list[str]) -> None:
    """Raise InputError unless --all and --data are there and no benchmark is named, or neither is and one is named."""
    check_pair("--all", "all" if everything else "", "--data", str(data or ""))
    if data is not None:
        check_folder("--data", str(data))
        if named:
            raise InputError(f"--all takes its benchmarks from --data: leave {', '.join(named)} out")
    elif not named:
        raise InputError(
            "name a benchmark: --mcq-json, --swap-quiz, --epic-retrieval, --charades, --zero-shot, --retrieval, "
            "or --all --data ROOT"
        )


def _zero_shot(
    shards: str, label: str, label_names: list[str] | None, templates: Path | None, views: int
) -> tuple[ZeroShotRequest, ...]:
    """Return what --zero-shot asks for, nothing without it; raises InputError for options that go with it alone."""
    alone = {"--label": label, "--label-names": label_names, "--templates": templates, "--views": views > 1}
    if not shards:
        for option in (option for option, value in alone.items() if value):
            raise InputError(f"{option} needs --zero-shot, the shards whose classes are asked for")
        return ()
    check_shards("--zero-shot", shards)
    if templates is not None:
        check_file("--templates", str(templates), "give a text file, one on each line, as: a video of {}")
    from egocurate.commands.evaluation.benchmarks import ZeroShotRequest

    names, file = tuple(label_names or ()), str(templates or "")
    return (ZeroShotRequest(shards, label=label, label_names=names, templates=file, views=views),)


def _retrieval(captions: Path | None, shards: str, videos: str, dual_softmax: bool) -> RetrievalTest | None:
    """Return what --retrieval asks for, None without it; raises InputError for options that go with it alone."""
    alone = {"--retrieval-shards": shards, "--retrieval-videos": videos}
    if captions is None:
        for option in (option for option, value in alone.items() if value):
            raise InputError(f"{option} needs --retrieval, a csv with the columns video_id and sentence")
        return None
    if bool(shards) == bool(videos):
        raise InputError("--retrieval needs its videos: --retrieval-shards S or --retrieval-videos DIR, one of them")
    check_file("--retrieval", str(captions), "give a csv with the columns video_id and sentence")
    check_shards("--retrieval-shards", shards)
    from egocurate.training.tasks.zero_shot.video_retrieval import RetrievalTest

    return RetrievalTest(captions, shards, videos, dual_softmax)
