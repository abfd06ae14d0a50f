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

What has been trained, on benchmarks and as features of long videos (eval --help and features --help say more):
    python train.py eval runs/2 --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards
    python train.py features runs/2 --videos ego4d/v2/full_scale --out features/2

OUT gets recipe.json, versions.json, metrics.csv, curves.png, tensorboard/, checkpoints/, result.json, and tokenizer/ if
it was made from the narrations (docs/training.md).
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The command line imports this file again, as egocurate.train, when it trains; a mistake is said before that takes
    # its seconds. `main` ends the process, so that nothing below is run or loaded under a second name.
    from egocurate.commands.curate import main

    main(sys.argv[1:] if sys.argv[1:2] in (["eval"], ["features"]) else ["train", *sys.argv[1:]])

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import Stream
from egocurate.progress import Report
from egocurate.storage.atomic import write_json
from egocurate.training.config.optimizer import build_optimizer, learning_rate
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import spread
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.monitor.metrics_log import MetricsLog
from egocurate.training.monitor.mfu import ideal_seconds
from egocurate.training.monitor.throughput import Throughput
from egocurate.training.run.checkpoints import Checkpoints
from egocurate.training.run.errors import explained
from egocurate.training.run.run_folder import claim_run, find_run
from egocurate.training.step.batches import next_batches, open_stream
from egocurate.training.step.micro_batches import Learning
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.egomcq import EgoMCQEvaluator


@dataclass(frozen=True)
class TrainResult:
    """EgoMCQ accuracy in percent by type before and after (empty without questions), steps, and clips per second."""

    before: dict[str, float]
    after: dict[str, float]
    steps: int
    clips_per_sec: float
    out: str


def train(
    config: TrainConfig, *, resume: bool = False, report: Report | None = None, say: Callable[[str], None] = print
) -> TrainResult:
    """Run a config to its end, or on from the newest checkpoint of its OUT; raises InputError for a user's mistake.

    Under torchrun every rank calls this; rank 0 writes, says and reports `(stage, done, total)`.
    """
    with explained(config), open_ranks(config) as ranks:
        quiet = not ranks.main
        report = (lambda *_: None) if quiet or report is None else report
        checkpoint, data = find_run(config, resume), open_stream(config, ranks)
        try:
            return _train(config, ranks, checkpoint, data, report, (lambda _: None) if quiet else say)
        except RuntimeError as error:  # a signal brings it, wherever the loop is
            lost = data.lost_worker(error)
            if lost is None:
                raise
            raise lost from None


def train_demo(shards: Path, mcq_json: Path, mcq_shards: Path, out: Path, report: Report) -> TrainResult:
    """Run the small recipe on the demo's data, or go on with it, without a word."""
    paths = {"mcq_json": str(mcq_json), "mcq_shards": str(mcq_shards), "out": str(out)}
    config = replace(RECIPES["egovlp-tiny"](), shards=(str(shards),), **paths)
    return train(config, resume=True, report=report, say=lambda _: None)


def _train(
    config: TrainConfig,
    ranks: Ranks,
    checkpoint: Path | None,
    data: Stream,
    report: Report,
    say: Callable[[str], None],
) -> TrainResult:
    out = Path(config.out)
    total = config.epochs * data.steps_per_epoch
    total = min(total, config.max_steps) if config.max_steps else total
    system = build_system(config, data, ranks)
    for line in system.begin(config) if checkpoint is None else ():
        say(line)
    model = system.model
    network = spread(model, config, ranks)
    optimizer = build_optimizer(model, config.optimizer, system.new)
    learning = Learning(config, system, network, ranks)
    checkpoints = Checkpoints(config, ranks, model, optimizer)
    egomcq = EgoMCQEvaluator(config, system, ranks, report)

    step, before, after = 0, {}, {}
    if checkpoint is not None:
        found = checkpoints.load(checkpoint)
        step, before = found["step"], found["before"]
        data.load_state_dict(found["loader"])
        say(f"goes on from {checkpoint}")
        if step == total and (out / "result.json").exists():
            return TrainResult(**json.loads((out / "result.json").read_text()))

    claim_run(config, ranks)
    log = MetricsLog(out, step if checkpoint else -1, say) if ranks.main else None
    if log:
        if system.tokens and not config.tokenizer and checkpoint is None:
            system.tokens.save(out / "tokenizer")
        size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        clips = sum(map(len, data.indexes))
        say(f"{size:.1f} M parameters, {clips} clips, {total} steps on {ranks.size} x {ranks.device.type}")
    if step == 0:
        before = egomcq.accuracy()
        if log:
            log.answers(step, before)

    throughput = Throughput(config.batch_size * (2 if config.data.negatives else 1), ranks.device)
    anchors = config.batch_size // ranks.size
    for epoch, batch in next_batches(config, data, ranks, total - step, throughput):
        step_rng = StepRng(config.data.seed, epoch, anchors)
        if not throughput.steps:
            with throughput.spend("aside"):
                throughput.ideal = ideal_seconds(system, batch, step_rng, ranks)
        # Dropout is a function of seed, step and rank: a resumed run draws what an unbroken one would.
        torch.manual_seed((config.data.seed * 1_000_003 + step) * 65_536 + ranks.rank)
        lr = learning_rate(config.optimizer, step, total, data.steps_per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["rate"]

        optimizer.zero_grad()
        losses = learning.learn(batch, step_rng)
        if config.optimizer.clip_grad:
            nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_grad)
        optimizer.step()

        step, throughput.steps = step + 1, throughput.steps + 1
        report("train", step, total)
        last = step == total
        if last or step % config.log_every == 0:
            values = ranks.mean(losses)
            if not math.isfinite(values["loss"]):
                raise InputError(
                    f"the loss is {values['loss']} at step {step}: lower optimizer.lr or set optimizer.clip_grad=1"
                )
            row = {**values, "lr": lr, **throughput.lap()}
            if log:
                log.progress(step, total, row, throughput.left(total - step))
        with throughput.spend("aside"):
            if last or step % config.eval_every == 0:
                after = egomcq.accuracy()
                if log:
                    log.answers(step, after)
            if last or step % config.checkpoint_every == 0:
                checkpoints.save(step, {"loader": data.state_dict(), "before": before})

    after = after or egomcq.accuracy()  # stopped after the last checkpoint: no step was left to take
    result = TrainResult(before, after, step, throughput.clips_per_sec(), str(out))
    checkpoints.finish()
    if log:
        log.close()
        write_json(out / "result.json", asdict(result))
    return result
