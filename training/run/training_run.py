"""What a training run is made of, and what it does beside its steps: it begins, evaluates, saves and ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.stored_size import enlarged
from egocurate.models.counting import count_parameters
from egocurate.progress import Report, Stage
from egocurate.storage.atomic import write_json
from egocurate.storage.json_notes import read_note
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.metrics_log import MetricsLog
from egocurate.training.monitor.mfu import peak_seconds
from egocurate.training.monitor.throughput import Throughput
from egocurate.training.plan.feed_line import feed_line
from egocurate.training.run.checkpoints import Checkpoints
from egocurate.training.run.claim_run import claim_run
from egocurate.training.run.own_parts import save_own_parts, with_own_parts
from egocurate.training.run.run_folder import find_checkpoint
from egocurate.training.run.run_inputs import describe_changes, note_inputs
from egocurate.training.step.batches import next_batches, open_stream
from egocurate.training.step.fit_memory import fitted
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from egocurate.training.tasks.evaluator import Evaluator
from egocurate.training.tasks.swap_quiz import SwapQuizEvaluator
from egocurate.training.tasks.tables import named

Answer = tuple[Evaluator, dict[str, float], list[str]]
"""What answered, its figures, and what it left out."""

RESULT = "result.json"
BASELINE_CLIPS = 512


@dataclass(frozen=True)
class TrainResult:
    """The figures of what evaluates it before and after (empty without that), steps, and clips per second."""

    before: dict[str, float]
    after: dict[str, float]
    steps: int
    clips_per_sec: float
    out: str


@dataclass
class TrainingRun:
    """The parts of a run and the step where it stands; every rank has one of its own."""

    config: TrainConfig
    ranks: Ranks
    data: Stream
    system: System
    optimizer: torch.optim.Optimizer
    gradient: BatchGradient
    checkpoints: Checkpoints
    evaluators: tuple[Evaluator, ...]
    throughput: Throughput
    report: Report
    say: Callable[[str], None]
    total_steps: int
    resumed_from: Path | None = None
    step: int = 0
    before: dict[str, float] = field(default_factory=dict)
    """figures of the evaluators before the first step"""
    after: dict[str, float] = field(default_factory=dict)
    """the newest ones"""
    log: MetricsLog | None = None
    """rank 0's, from `begin` on"""

    def finished(self) -> TrainResult | None:
        """Return the result of a run that has no step to go, None if it has; nothing is worked out again."""
        path = Path(self.config.out) / RESULT
        if self.resumed_from is None or self.step < self.total_steps or not path.exists():
            return None
        self.say(f"finished: step {self.step:,} of {self.total_steps:,}, nothing to do")
        return _read_result(path)

    def begin(self) -> None:
        """Make OUT the folder of this run, say what will be trained, and evaluate a new run."""
        if self.resumed_from is not None:
            self.say(f"goes on from {self.resumed_from}")
            for line in describe_changes(self.config) if self.ranks.main else ():
                self.say(line)
        claim_run(self.config, self.ranks)
        out, model = Path(self.config.out), self.system.model
        if self.ranks.main:
            self.log = MetricsLog(out, self.step if self.resumed_from else -1, self.say)
            if self.resumed_from is None:
                save_own_parts(self.config, self.system)
            note_inputs(self.config)
        for line in enlarged(self.data.indexes, self.config.data.size):
            self.say(line)
        clips = sum(map(len, self.data.indexes))
        self.say(
            f"{count_parameters(model) / 1e6:.1f} M parameters, {clips} clips, {self.total_steps} steps on "
            f"{self.ranks.size} x {self.ranks.device.type}"
        )
        baselines = self.system.baselines(self._first_batches())
        if baselines:
            told = ", ".join(f"{name} {loss:.4f}" for name, loss in baselines.items())
            self.say(f"losses of guesses that look at no clip: {told}")
        if self.log:
            self.log.baselines = baselines
        if self.step == 0:
            self.before = self._figures(first=True)

    def batches(self) -> Iterator[tuple[Batch, StepRng]]:
        """Yield this rank's batch on its device for every step to go, with the random numbers of that step."""
        anchors = self.config.batch_size // self.ranks.size
        steps = self.total_steps - self.step
        for epoch, batch in next_batches(self.config, self.data, self.ranks, steps, self.throughput):
            step_rng = StepRng(self.config.data.seed, epoch, anchors, self.step, self.throughput.waiting)
            if not self.throughput.steps:
                with self.throughput.paused():
                    untimed = replace(step_rng, timed=nullcontext)
                    self.throughput.peak_seconds_per_step = peak_seconds(self.system, batch, untimed, self.ranks)
                if line := feed_line(self.config, self.data, len(batch), self.throughput.peak_seconds_per_step):
                    self.say(line)
            yield batch, step_rng

    def _first_batches(self) -> Iterator[Batch]:
        """Yield the first batches of the first epoch, BASELINE_CLIPS clips or a few more, whatever the run has read."""
        steps = min(self.total_steps, math.ceil(BASELINE_CLIPS / self.config.batch_size))
        config = replace(self.config, headspace=False, data=replace(self.config.data, workers=0))
        data = open_stream(config, self.ranks)
        try:
            for _, batch in next_batches(config, data, self.ranks, steps, Throughput(0, self.ranks.device)):
                yield batch
        finally:
            data.close()

    def seed_dropout(self) -> None:
        """Make dropout a function of seed, step and rank: a resumed run drops what an unbroken one would."""
        torch.manual_seed((self.config.data.seed * 1_000_003 + self.step) * 65_536 + self.ranks.rank)

    def count_step(self) -> None:
        """Note that a step is taken."""
        self.step += 1
        self.throughput.steps += 1
        # The time that is left stands on the lines of figures already.
        self.report(Stage("train", f"{self.throughput.clips_per_sec():,.0f} clips/s"), self.step, self.total_steps)

    def is_due(self, every: int) -> bool:
        """Tell whether what happens after `every` steps, and after the last one, is to happen now."""
        return self.step == self.total_steps or self.step % every == 0

    def log_progress(self, losses: dict[str, Tensor], learning_rate: float) -> None:
        """Write the losses and the speed since the last time; raises InputError for a loss that is not finite."""
        means = self.ranks.mean(losses)
        if not math.isfinite(means["loss"]):
            raise InputError(
                f"the loss is {means['loss']} at step {self.step}: lower optimizer.lr or set optimizer.clip_grad=1"
            )
        row = {**means, "lr": learning_rate, **self.throughput.rates()}
        if self.log:
            seconds = self.throughput.seconds_to_go(self.total_steps - self.step)
            self.log.progress(self.step, self.total_steps, row, seconds)

    def evaluate(self) -> None:
        """Answer EgoMCQ, or the task that the model is tuned for, as far as its data are given."""
        self.after = self._figures()

    def save_checkpoint(self) -> None:
        """Begin to write a checkpoint, which goes on while the run trains."""
        with self.throughput.paused():
            self.checkpoints.save(self.step, {"loader": self.data.state_dict(), "before": self.before})

    def finish(self) -> TrainResult:
        """Wait for the last checkpoint, write result.json and return what is in it."""
        # A run that was stopped after its last checkpoint has no step left in which it would be evaluated.
        after = self.after or _merged(self._answers())
        result = TrainResult(self.before, after, self.step, self.throughput.clips_per_sec(), self.config.out)
        self.checkpoints.finish()
        if self.log:
            self.log.close()
            write_json(Path(self.config.out) / RESULT, asdict(result))
        return result

    def _answers(self) -> list[Answer]:
        return [(evaluator, *evaluator.evaluate()) for evaluator in self.evaluators]

    def _figures(self, *, first: bool = False) -> dict[str, float]:
        with self.throughput.paused():
            answers = self._answers()
            for evaluator, figures, left_out in answers:
                if first and left_out:
                    self.say(f"{evaluator.title} leaves out {len(left_out):,}: {named(left_out)}")
                if self.log:
                    self.log.figures(self.step, evaluator.title, evaluator.prefix, figures)
        return _merged(answers)


def _merged(answers: list[Answer]) -> dict[str, float]:
    """Return the figures of all evaluators, each name once: after the first with a prefix."""
    found: dict[str, float] = {}
    for number, (evaluator, figures, _) in enumerate(answers):
        found |= {f"{evaluator.prefix}_{name}" if number else name: value for name, value in figures.items()}
    return found


def _read_result(path: Path) -> TrainResult:
    content = read_note(path, dict)
    try:
        return TrainResult(**content)
    except TypeError as error:
        raise InputError(f"{path} is no result of a run ({error}); delete it, and the run ends once more") from error


def open_run(
    config: TrainConfig, ranks: Ranks, *, resume: bool, report: Report, say: Callable[[str], None]
) -> TrainingRun:
    """Build the parts of a run, and bring them to the newest checkpoint of OUT where it goes on; every rank calls this.

    Nothing is written: OUT stays as it is for whatever is wrong with what was given, which raises InputError.
    """
    checkpoint, data = find_checkpoint(config, resume), open_stream(config, ranks)
    total_steps = config.epochs * data.steps_per_epoch
    system = build_system(config if checkpoint is None else with_own_parts(config), data, ranks)
    for line in system.load_initial_weights(config) if checkpoint is None else ():
        say(line)
    split, line = fitted(config, system, ranks, (data.index.num_verbs, data.index.num_nouns))
    for told in (ranks.precision_line(config), line):
        if told:
            say(told)
    network = wrap_for_ranks(system.model, split, ranks)
    optimizer = build_optimizer(system.model, config.optimizer, system.new_parameters, system.layers_above)
    run = TrainingRun(
        config=config,
        ranks=ranks,
        data=data,
        system=system,
        optimizer=optimizer,
        gradient=BatchGradient(split, system, network, ranks),
        checkpoints=Checkpoints(config, ranks, system.model, optimizer),
        evaluators=(
            system.evaluator(config, ranks, report) or EgoMCQEvaluator(config, system, ranks, report),
            SwapQuizEvaluator(config, system, ranks, report),
        ),
        throughput=Throughput(config.batch_size * (2 if config.data.negatives else 1), ranks.device),
        report=report,
        say=say,
        total_steps=min(total_steps, config.max_steps) if config.max_steps else total_steps,
    )
    if checkpoint is not None:
        state = run.checkpoints.load(checkpoint)
        run.step, run.before, run.resumed_from = state["step"], state["before"], checkpoint
        data.load_state_dict(state["loader"])
    return run
