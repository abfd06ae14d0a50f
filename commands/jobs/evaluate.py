"""Benchmarks of a run or a release: figures, as a table and as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from egocurate.commands.evaluation.answers import Answer, Asked, each_benchmark
from egocurate.commands.evaluation.benchmarks import Benchmarks
from egocurate.commands.evaluation.data_root import find_data
from egocurate.commands.evaluation.leaderboard import leaderboard, lines_of
from egocurate.commands.evaluation.published import read_published
from egocurate.console import progress
from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.run.model_source import Loaded, ModelSource
from egocurate.training.run.run_inputs import source_fingerprint
from egocurate.training.tasks.tables import named

ALL_FILE = "eval-all.json"


@dataclass(frozen=True)
class _Opened:
    """A model that is loaded, and digests of what its figures are of."""

    loaded: Loaded
    asked: Asked
    inputs: dict[str, str]

    @property
    def is_main(self) -> bool:
        return self.asked.ranks.main


def evaluate_run(source: ModelSource, benchmarks: Benchmarks, out: Path, changes: list[str]) -> bool:
    """Evaluate a model, changed by `key=value` settings; returns whether no clip was missing. Every rank calls this.

    The first rank prints the figures and writes them to the folder `out`. Raises InputError for a user's mistake.
    """
    whole = True
    with _opened(source, benchmarks, out, changes) as opened:
        for _, answer in each_benchmark(benchmarks, opened.asked):
            for one in answer():
                whole &= not one.missing
                if opened.is_main:
                    head = opened.loaded.origin | one.settings | {"frames": opened.asked.config.data.frames}
                    record = head | _rounded(one.values) | {"missing": one.missing, "inputs": opened.inputs}
                    write_json(out / f"eval-{one.name.replace('/', '-')}.json", record)
                    print(f"{one.name}, {opened.loaded.title}\n{one.table(one.values)}", flush=True)
                    _name_missing(one, "")
    return whole


def evaluate_all(source: ModelSource, root: Path, mcq_mode: str, out: Path, changes: list[str]) -> bool:
    """Evaluate a model on every benchmark whose data are in a folder; returns whether nothing was missing.

    A benchmark whose data cannot be used is left out with its reason, and the others are answered. Every rank calls
    this; the first one prints one table and writes it to eval-all.json in `out`. Raises InputError as `evaluate_run`,
    if there is no data, and if not one benchmark can be answered.
    """
    benchmarks, left_out = find_data(root, mcq_mode)
    answers: list[Answer] = []
    with _opened(source, benchmarks, out, changes) as opened:
        for name, answer in each_benchmark(benchmarks, opened.asked):
            try:
                answers += answer()
            except InputError as error:  # of its data: all ranks read the same
                left_out[name] = str(error)
        if not answers:
            raise InputError("; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
        if opened.is_main:
            _keep_all(opened, answers, left_out, out)
    return not left_out and not any(answer.missing for answer in answers)


def _keep_all(opened: _Opened, answers: list[Answer], left_out: dict[str, str], out: Path) -> None:
    lines = lines_of(answers, read_published())
    tasks = [
        {"task": one.name, **one.settings, "figures": _rounded(one.values), "missing": one.missing} for one in answers
    ]
    record = opened.loaded.origin | {"frames": opened.asked.config.data.frames, "tasks": tasks, "left_out": left_out}
    theirs = [one._asdict() for line in lines for one in line.published]
    write_json(out / ALL_FILE, record | {"published": theirs, "inputs": opened.inputs})
    print(leaderboard(opened.loaded.title, lines, left_out), flush=True)
    for one in answers:
        _name_missing(one, f"{one.name}: ")


@contextmanager
def _opened(source: ModelSource, benchmarks: Benchmarks, out: Path, changes: list[str]) -> Iterator[_Opened]:
    """Have a model loaded on every rank, and the folder `out` there; raises InputError for one without texts."""
    config = source.read(changes)
    config = replace(
        config,
        mcq_json=benchmarks.mcq_json,
        mcq_shards=benchmarks.mcq_shards,
        swap_quiz=benchmarks.swap_quiz,
        mcq_mode="ensemble" if benchmarks.mcq_mode == "all" else benchmarks.mcq_mode or config.mcq_mode,
    )
    with open_ranks(config) as ranks, progress(ranks.main) as report:
        loaded = source.load(config, ranks)
        inputs = _inputs(loaded.digest, config) if ranks.main else {}
        if not loaded.system.embedding:
            raise InputError(f"{config.system} has no text tower: of it there are only features (`curate features`)")
        if ranks.main:
            out.mkdir(parents=True, exist_ok=True)
        asked = Asked(config, source.release is not None, loaded.system, ranks, report)
        yield _Opened(loaded, asked, inputs)


def _inputs(weights: str, config: TrainConfig) -> dict[str, str]:
    """Return digests of the weights, the tokenizer and the questions that figures are of, as far as there are some."""
    inputs = {"weights": weights}
    if config.tokenizer:
        inputs["tokenizer"] = source_fingerprint(config.tokenizer)
    if config.mcq_json:
        inputs["questions"] = source_fingerprint(config.mcq_json)
    if config.swap_quiz:
        inputs["swap_quiz"] = source_fingerprint(config.swap_quiz)
    return inputs


def _name_missing(answer: Answer, before: str) -> None:
    if answer.missing:
        print(f"{before}left out, {len(answer.missing):,} missing: {named(answer.missing)}", flush=True)


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    """Figures for a file; one that is not a number is null, as JSON has none."""
    return {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
