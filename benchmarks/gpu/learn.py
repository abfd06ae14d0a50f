"""A real run by the command line: EgoVLP at ViT-S on invented videos, its loss and EgoMCQ; it goes on if stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from statistics import median

from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.train_command import column, run_command, train_command

RUN_SEC = 300.0
_START_SEC = 45.0  # imports, compilation, the first and the last evaluation
_END_SEC = 5.0  # to read what came of it
_GUESSED_RATE = 1500.0  # clips/s of ViT-S, where nothing has been measured
_BATCH = 128
_FASTER = 2.5  # ViT-S over ViT-B in clips/s


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return the one case."""
    return {"egovlp, ViT-S": lambda: learn(setup, steps_in(min(RUN_SEC, setup.seconds) - _START_SEC, results))}


def steps_in(seconds: float, results: Results) -> int:
    """Return how many steps of the run will fit, by EgoVLP's measured speed if there is one."""
    measured = results.cases("recipe egovlp").get("compiled", {}).get("clips_per_sec")
    rate = measured * _FASTER if measured else _GUESSED_RATE
    return max(100, int(seconds * min(rate, 4000) / (2 * _BATCH)) // 100 * 100)


def learn(setup: Setup, steps: int) -> Facts:
    """Train, and return first and last losses, EgoMCQ by step, and medians of the speed; curves.png goes to OUT.

    What time does not suffice for is left out, and said; a run of an earlier call goes on, to the steps of that call.
    """
    out = setup.work / "learn"
    length = out.with_name("learn-steps.txt")
    if not length.exists():
        length.write_text(str(6 if setup.small else steps))
    steps = int(length.read_text())
    name, settings = _recipe(setup, steps)
    finished = run_command(train_command(setup, name, out, settings, mcq=True), setup.seconds - _END_SEC)
    for file in ("curves.png", "metrics.csv"):
        if (out / file).exists():
            shutil.copyfile(out / file, setup.out / file)
    losses = column(out, "loss")
    facts: Facts = {"steps": max(losses), "finished": finished}
    facts |= {"first loss": losses[min(losses)], "last loss": losses[max(losses)]}
    for kind in ("inter", "intra"):
        facts[f"EgoMCQ {kind}"] = {str(step): round(value, 2) for step, value in column(out, f"mcq_{kind}").items()}
    for key in ("clips_per_sec", "data_wait", "mfu"):
        values = column(out, key)
        if values:
            facts[key] = round(median(values.values()), 4)
    return facts


def _recipe(setup: Setup, steps: int) -> tuple[str, dict[str, object]]:
    often = {"max_steps": steps, "epochs": 1_000_000}
    if setup.small:
        return "egovlp-tiny", often | {"batch_size": 4, "data.workers": 1, "log_every": 1, "eval_every": 6}
    towers = {"video.width": 384, "video.heads": 6, "text.pretrained": "", "text.width": 384, "text.heads": 6}
    towers |= {"text.depth": 4, "text.vocab": 2048, "text.dropout": 0.1}
    rule = {"lr": 5e-4, "warmup_steps": steps // 10, "schedule": "cosine", "weight_decay": 0.05, "beta2": 0.98}
    settings = often | {"video_weights": "", "tokenizer": "", "batch_size": _BATCH, "compile": True}
    settings |= {f"model.{key}": value for key, value in towers.items()}
    settings |= {f"optimizer.{key}": value for key, value in (rule | {"clip_grad": 1.0}).items()}
    every = max(1, steps // 10)
    settings |= {"data.workers": max(1, setup.cores - 2), "log_every": 10, "eval_every": every}
    return "egovlp", settings | {"checkpoint_every": every}
