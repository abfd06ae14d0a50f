"""What text negatives bring, on invented videos: `python -m benchmarks.text_negatives --root ROOT --out FOLDER`.

As in EgoNCE++ (2405.17719) a trained model is tuned further, with EgoNCE and with EgoNCE++, over the same clips for as
many steps, with some seeds, and asked EgoMCQ and the swap quiz about unseen videos. ROOT is a root of `curate demo`,
--start a run on it. FOLDER keeps the data and every finished run: the same line again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.record import figure, write_record
from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.commands.swap_quiz.job import run_swap_quiz
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig, TextNegativesConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.progress import silent
from egocurate.swap_quiz import SWAP_QUIZ_FILE
from egocurate.train import train
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from egocurate.training.tasks.swap_quiz import SwapQuizEvaluator

TUNING = {
    "max_steps": "104",  # two epochs
    "optimizer.lr": "5e-4",
    "optimizer.warmup_steps": "10",
    "eval_every": "100000",
    "checkpoint_every": "100000",
}
ROWS = {
    "EgoNCE": {},
    "EgoNCE++, 10 text negatives a clip": {"objective.loss": "egonce_plus", "data.text_negatives": "10"},
    "EgoNCE with 10 text negatives a clip": {"data.text_negatives": "10"},
}
FIGURES = {
    "swap_verb": "verb quiz",
    "swap_noun": "noun quiz",
    "swap_both": "both",
    "inter": "EgoMCQ inter",
    "intra": "EgoMCQ intra",
}


def build(root: Path, out: Path) -> None:
    """Write clips with text negatives, and both quizzes, unless they are there."""
    source, options = Ego4DSource(root), RunOptions(profile="small")
    run_egoclip(source, out, EgoClipConfig(), "auto", options, silent, TextNegativesConfig(10))
    run_egomcq(source, out, EgoMCQConfig(inter=400, intra=150), None, "auto", options, silent)
    run_swap_quiz(out, None, TextNegativesConfig(10), silent)


def tune(data: Path, start: Path, where: Path, settings: dict[str, str]) -> dict[str, float]:
    """Return the figures of a run, training it unless that is done."""
    config = replace(RECIPES["egovlp-tiny"](), shards=(str(data / SHARDS),), out=str(where))
    for key, value in ({"start": str(start)} | TUNING | settings).items():
        config = with_setting(config, f"{key}={value}")
    train(config, resume=True, say=lambda line: None)
    return answers(data, where)


def answers(data: Path, run: Path) -> dict[str, float]:
    """Return what a run answers of EgoMCQ and of the swap quiz, noted beside it."""
    noted = data.parent / f"{run.name}-answers.json"
    if not noted.exists():
        config = replace(read_run(run, []), shards=(), device="cpu")
        ranks = Ranks(0, 1, torch.device("cpu"), False)
        system, _ = restore(config, ranks)
        asked = {"mcq_json": data / "egomcq.json", "mcq_shards": data / MCQ_SHARDS, "swap_quiz": data / SWAP_QUIZ_FILE}
        config = replace(config, **{name: str(path) for name, path in asked.items()})
        found, _ = EgoMCQEvaluator(config, system, ranks, silent).evaluate()
        quiz, _ = SwapQuizEvaluator(config, system, ranks, silent).evaluate()
        noted.write_text(json.dumps(found | {f"swap_{name}": value for name, value in quiz.items()}))
    return json.loads(noted.read_text())


def measure(root: Path, start: Path, out: Path, seeds: int) -> list[dict[str, object]]:
    """Return mean and standard deviation over seeds of each figure, by row; the first row is the model not tuned."""
    data = out / "egoclip"
    build(root, data)
    found: dict[str, list[dict[str, float]]] = {"not tuned": [answers(data, start)], **{row: [] for row in ROWS}}
    for seed in range(seeds):
        for number, (row, settings) in enumerate(ROWS.items()):
            where = out / "runs" / f"tuned-{number}-{seed}"
            found[row].append(tune(data, start, where, settings | {"data.seed": str(seed)}))
            print(f"seed {seed}, {row}: {found[row][-1]}", file=sys.stderr, flush=True)
    return [_row(row, figures) for row, figures in found.items()]


def _row(row: str, answers: list[dict[str, float]]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name, title in FIGURES.items():
        values = [answer[name] for answer in answers]
        columns[title] = round(statistics.mean(values), 2)
        if len(values) > 1:
            columns[f"{title}, deviation"] = round(statistics.stdev(values), 2)
    return (
        figure(row, statistics.mean(answer["swap_both"] for answer in answers), "%") | columns | {"seeds": len(answers)}
    )


def main() -> None:
    """Tune every row and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="root of `curate demo`")
    parser.add_argument("--start", type=Path, required=True, help="run on it that is tuned further")
    parser.add_argument("--out", type=Path, required=True, help="folder for data and runs")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    write_record("text_negatives", measure(arguments.root, arguments.start, arguments.out, arguments.seeds))


if __name__ == "__main__":
    main()
