"""Benchmarks of a run or a release: figures, as a table and as a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from egocurate.console import progress
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.storage.atomic import write_json
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.run.model_source import ModelSource
from egocurate.training.run.run_inputs import source_fingerprint
from egocurate.training.systems import System
from egocurate.training.tasks.charades import charades_ego
from egocurate.training.tasks.egomcq import MODES, EgoMCQEvaluator
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.epic_retrieval import epic_retrieval
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.tables import named


@dataclass(frozen=True)
class Benchmarks:
    """What is to be evaluated: annotations and clips of each benchmark, "" for one that is not asked for.

    `mcq_mode` is how EgoMCQ is answered, "all" for each way, "" for that of the run.
    """

    mcq_json: str = ""
    mcq_shards: str = ""
    mcq_mode: str = ""
    epic_retrieval: str = ""
    epic_shards: str = ""
    dual_softmax: bool = False
    charades: str = ""
    charades_videos: str = ""


class Figures(NamedTuple):
    """What a benchmark gives: numbers by name, the clips they leave out, and how the numbers are printed."""

    values: dict[str, float]
    missing: list[str]
    table: Callable[[dict[str, float]], str]


def evaluate_run(source: ModelSource, benchmarks: Benchmarks, out: Path, changes: list[str]) -> bool:
    """Evaluate a model, changed by `key=value` settings; returns whether no clip was missing. Every rank calls this.

    The first rank prints the figures and writes them to the folder `out`. Raises InputError for a user's mistake.
    """
    config = source.read(changes)
    config = replace(
        config,
        mcq_json=benchmarks.mcq_json,
        mcq_shards=benchmarks.mcq_shards,
        mcq_mode="ensemble" if benchmarks.mcq_mode == "all" else benchmarks.mcq_mode or config.mcq_mode,
    )
    whole = True
    with open_ranks(config) as ranks, progress(ranks.main) as report:
        loaded = source.load(config, ranks)
        system = loaded.system
        inputs = _inputs(loaded.digest, config) if ranks.main else {}
        if not system.embedding:
            raise InputError(f"{config.system} has no text tower: of it there are only features (`curate features`)")
        if ranks.main:
            out.mkdir(parents=True, exist_ok=True)
        for name, settings, figures in _each_benchmark(benchmarks, config, system, ranks, report):
            whole &= not figures.missing
            if ranks.main:
                record = {**loaded.origin, **settings, "frames": config.data.frames, **_rounded(figures.values)}
                write_json(out / f"eval-{name}.json", record | {"missing": figures.missing, "inputs": inputs})
                print(f"{name}, {loaded.title}\n{figures.table(figures.values)}", flush=True)
                if figures.missing:
                    print(f"left out, {len(figures.missing):,} missing: {named(figures.missing)}", flush=True)
    return whole


def _inputs(weights: str, config: TrainConfig) -> dict[str, str]:
    """Return digests of the weights, the tokenizer and the questions that figures are of, as far as there are some."""
    inputs = {"weights": weights}
    if config.tokenizer:
        inputs["tokenizer"] = source_fingerprint(config.tokenizer)
    if config.mcq_json:
        inputs["questions"] = source_fingerprint(config.mcq_json)
    return inputs


def _each_benchmark(
    benchmarks: Benchmarks, config: TrainConfig, system: System, ranks: Ranks, report: Report
) -> Iterator[tuple[str, dict[str, str], Figures]]:
    """Give name, settings and figures of each benchmark that is asked for."""
    embedder = Embedder(system, ranks, config.data.workers, clips_at_once(config, system, ranks))
    if benchmarks.mcq_json:
        modes = MODES if benchmarks.mcq_mode == "all" else (config.mcq_mode,)
        accuracies, missing = EgoMCQEvaluator(config, system, ranks, report).evaluate_modes(modes)
        for mode in modes:
            settings = {"mode": mode, "text": config.data.text}
            settings |= {"questions": config.mcq_json, "shards": config.mcq_shards}
            yield f"egomcq-{mode}", settings, Figures(accuracies[mode], missing, _accuracies)
    if benchmarks.epic_retrieval:
        annotations, shards = benchmarks.epic_retrieval, benchmarks.epic_shards
        values, missing = epic_retrieval(
            Path(annotations), shards, config.data, embedder, report, dual=benchmarks.dual_softmax
        )
        yield "epic-retrieval", {"annotations": annotations, "shards": shards}, Figures(values, missing, _directions)
    if benchmarks.charades:
        annotations, videos = benchmarks.charades, benchmarks.charades_videos
        values, missing = charades_ego(Path(annotations), Path(videos), config.data, embedder, report)
        settings = {"annotations": annotations, "videos": videos}
        yield "charades-ego", settings, Figures(values, missing, lambda figures: f"  mAP  {figures['map']:6.2f}")


def _accuracies(figures: dict[str, float]) -> str:
    return "\n".join(f"  {name}  {value:6.2f} %" for name, value in figures.items())


def _directions(figures: dict[str, float]) -> str:
    lines = ["         V->T    T->V     avg"]
    for before, after in (("", ""), ("dual_", ", dual softmax")):
        for name, title in (("map", "mAP"), ("ndcg", "nDCG")):
            row = [figures.get(f"{before}{name}_{side}") for side in ("v2t", "t2v", "avg")]
            if None not in row:
                lines.append(f"  {title:<5}" + "".join(f"{value:7.2f} " for value in row).rstrip() + after)
    return "\n".join(lines)


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    """Figures for a file; one that is not a number is null, as JSON has none."""
    return {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
