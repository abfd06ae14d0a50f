"""Train on tar shards; what has a text tower answers EgoMCQ before, during and after.

This file in a checkout, `python -m egocurate.train` and `curate train` are the same command.

One process, on a GPU if there is one:
    python train.py egovlp-tiny --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/1

One machine with 8 GPUs:
    torchrun --standalone --nproc-per-node 8 train.py egovlp \\
        --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/2

Two machines with 8 GPUs each: the same line on both, HOST is one of them, runs/ is on storage that both see:
    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 train.py egovlp \\
        --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/2

Several folders, three clips of the first for each one of the second: --shards A --shards B --set weights=3,1
To go on after a stop, on any number of GPUs that divides the batch, repeat the line with --resume.
To change a recipe: --set optimizer.lr=1e-4 --set model.video.depth=6 --set data.negatives=false

What has been trained, on benchmarks, as features of long videos, and to give away (each has a --help):
    python train.py eval runs/2 --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards
    python train.py eval runs/2 --all --data benchmarks
    python train.py features runs/2 --videos ego4d/v2/full_scale --out features/2
    python train.py nlq --features features/2 --annotations nlq_train.json nlq_val.json --out runs/nlq  # and mq, qfvs
    python train.py export runs/2 --to safetensors --out models/2

OUT gets recipe.json, versions.json, metrics.csv, curves.png, tensorboard/, checkpoints/, result.json and tokenizer/
(docs/training.md).
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The command line imports this file again, as egocurate.train, when it trains; a mistake is said before that takes
    # its seconds. `main` ends the process, so that nothing below is run or loaded under a second name.
    from egocurate.commands.curate import main

    verbs = {name: name for name in ("eval", "features", "nlq", "mq", "qfvs")} | {"export": "export-model"}
    verb = verbs.get("".join(sys.argv[1:2]))
    main([verb, *sys.argv[2:]] if verb else ["train", *sys.argv[1:]])

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from egocurate.progress import Report, silent
from egocurate.training.config.optimizer import set_learning_rate
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.run.errors import explained
from egocurate.training.run.training_run import TrainingRun, TrainResult, open_run
from egocurate.training.step.batches import lost_workers_named, with_workers_chosen


def train(
    config: TrainConfig, *, resume: bool = False, report: Report | None = None, say: Callable[[str], None] = print
) -> TrainResult:
    """Run a config to its end, or on from the newest checkpoint of its OUT; raises InputError for a user's mistake.

    Under torchrun every rank calls this; rank 0 writes, says and reports `(stage, done, total)`.
    """
    config, lines = with_workers_chosen(config)
    with explained(config), open_ranks(config) as ranks:
        report, say = (report or silent, say) if ranks.main else (silent, _say_nothing)
        for line in lines:
            say(line)
        run = open_run(config, ranks, resume=resume, report=report, say=say)
        with lost_workers_named(run.data):
            return run.finished() or train_steps(run)


def train_steps(run: TrainingRun) -> TrainResult:
    """Take every step that a run has to go: the training loop."""
    config, model, optimizer = run.config, run.system.model, run.optimizer
    run.begin()
    for batch, step_rng in run.batches():
        rate = set_learning_rate(optimizer, config.optimizer, run.step, run.total_steps, run.data.steps_per_epoch)
        run.seed_dropout()

        optimizer.zero_grad()
        losses = run.gradient.backward(batch, step_rng)
        if config.optimizer.clip_grad:
            nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_grad)
        optimizer.step()
        run.count_step()

        if run.is_due(config.log_every):
            run.log_progress(losses, rate)
        if run.is_due(config.eval_every):
            run.evaluate()
        if run.is_due(config.checkpoint_every):
            run.save_checkpoint()
    return run.finish()


def train_demo(shards: Path, mcq_json: Path, mcq_shards: Path, out: Path, report: Report) -> TrainResult:
    """Run the small recipe on the demo's data, or go on with it, without a word."""
    paths = {"mcq_json": str(mcq_json), "mcq_shards": str(mcq_shards), "out": str(out)}
    config = replace(RECIPES["egovlp-tiny"](), shards=(str(shards),), **paths)
    return train(config, resume=True, report=report, say=_say_nothing)


def _say_nothing(line: str) -> None:
    pass
