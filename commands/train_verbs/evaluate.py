"""`train.py eval`: benchmarks of a run, as a table and a file in its folder."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from egocurate.commands.train_verbs.parser import INCOMPLETE, verb_parser
from egocurate.commands.train_verbs.progress import progress
from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.run.files import write_json
from egocurate.training.run.load_run import read_run, restore
from egocurate.training.systems import System
from egocurate.training.tasks.charades import charades_ego
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from egocurate.training.tasks.embed import Embedder, Report
from egocurate.training.tasks.epic_retrieval import epic_retrieval
from egocurate.training.tasks.tables import named

EXAMPLES = """examples:
  python train.py eval runs/1 --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards
  torchrun --standalone --nproc-per-node 8 train.py eval runs/2 \\
      --epic-retrieval EPIC/retrieval_annotations --epic-shards D/epic-shards
  python train.py eval runs/1 --charades CharadesEgo --charades-videos CharadesEgo_v1_480

Figures are printed and written to RUN/eval-<what>.json. docs/evaluation.md says how clips are cut and what is computed.
Exit status: 0; 2 for a mistake, in one line; 3 if clips were missing, which the figures leave out."""


class Outcome(NamedTuple):
    """Figures of a benchmark, what they leave out, and how they are shown."""

    figures: dict[str, float]
    missing: list[str]
    table: Callable[[dict[str, float]], str]


def evaluate(arguments: list[str]) -> int:
    """Evaluate a run; returns the exit status. Every rank calls this; raises InputError for a user's mistake."""
    given = _parse(arguments)
    run = Path(given.run)
    config = read_run(run, given.set)
    if given.mode:
        config = replace(config, mcq_mode=given.mode)
    config = replace(config, mcq_json=given.mcq_json, mcq_shards=given.mcq_shards)
    whole = True
    with open_ranks(config) as ranks:
        system, step = restore(config, ranks)
        if not system.embedding:
            raise InputError(f"{config.system} has no text tower: of it there are only features (train.py features)")
        for what, settings, outcome in _benchmarks(given, config, system, ranks):
            whole &= not outcome.missing
            if ranks.main:
                record = {"step": step, **settings, "frames": config.data.frames, **_rounded(outcome.figures)}
                write_json(run / f"eval-{what}.json", record | {"missing": outcome.missing})
                print(f"{what}, step {step} of {run}\n{outcome.table(outcome.figures)}", flush=True)
                if outcome.missing:
                    print(f"left out, {len(outcome.missing):,} missing: {named(outcome.missing)}", flush=True)
    return 0 if whole else INCOMPLETE


def _benchmarks(
    given: argparse.Namespace, config: TrainConfig, system: System, ranks: Ranks
) -> Iterator[tuple[str, dict[str, str], Outcome]]:
    report: Report = progress(ranks)
    embedder = Embedder(system, ranks, config.data.workers)
    if given.mcq_json:
        settings = {"mode": config.mcq_mode, "questions": given.mcq_json, "shards": given.mcq_shards}
        quiz = EgoMCQEvaluator(config, system, ranks, report)
        missing = [f"question {name}" for name in quiz.questions.missing]
        yield f"egomcq-{config.mcq_mode}", settings, Outcome(quiz.accuracy(), missing, _accuracies)
    if given.epic_retrieval:
        settings = {"annotations": given.epic_retrieval, "shards": given.epic_shards}
        found = epic_retrieval(Path(given.epic_retrieval), given.epic_shards, config.data, embedder, report)
        yield "epic-retrieval", settings, Outcome(*found, _directions)
    if given.charades:
        settings = {"annotations": given.charades, "videos": given.charades_videos}
        found = charades_ego(Path(given.charades), Path(given.charades_videos), config.data, embedder, report)
        yield "charades-ego", settings, Outcome(*found, lambda figures: f"  mAP  {figures['map']:6.2f}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    description = "Benchmarks of a run with the weights of its newest checkpoint."
    parser = verb_parser("eval", description, EXAMPLES)
    parser.add_argument("--mcq-json", default="", help="EgoMCQ's questions")
    parser.add_argument("--mcq-shards", default="", help="folder of shards with their clips")
    parser.add_argument(
        "--mode", choices=("dual", "fused", "ensemble"), help="EgoMCQ by cosines, by fusion, by both; default the run's"
    )
    parser.add_argument(
        "--epic-retrieval", default="", metavar="FOLDER", help="EPIC-KITCHENS-100's retrieval_annotations"
    )
    parser.add_argument("--epic-shards", default="", help="folder of shards with its clips")
    parser.add_argument("--charades", default="", metavar="FOLDER", help="Charades-Ego's csv and class files")
    parser.add_argument("--charades-videos", default="", metavar="DIR", help="folder of its videos, <id>.mp4")
    given = parser.parse_args(arguments)
    pairs = {"mcq_json": "mcq_shards", "epic_retrieval": "epic_shards", "charades": "charades_videos"}
    for one, other in pairs.items():
        if bool(getattr(given, one)) != bool(getattr(given, other)):
            parser.error(f"--{one} and --{other} go together".replace("_", "-"))
    if not any(getattr(given, one) for one in pairs):
        parser.error("name a benchmark: --mcq-json, --epic-retrieval or --charades")
    return given


def _accuracies(figures: dict[str, float]) -> str:
    return "\n".join(f"  {name}  {value:6.2f} %" for name, value in figures.items())


def _directions(figures: dict[str, float]) -> str:
    lines = ["         V->T    T->V     avg"]
    for name, title in (("map", "mAP"), ("ndcg", "nDCG")):
        lines.append(f"  {title:<5}" + "".join(f"{figures[f'{name}_{side}']:7.2f} " for side in ("v2t", "t2v", "avg")))
    return "\n".join(lines)


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    """Figures for a file; one that is not a number is null, as JSON has none."""
    return {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
