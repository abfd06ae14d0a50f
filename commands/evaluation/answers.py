"""Each benchmark that is asked for, as a name and a function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from egocurate.commands.evaluation.benchmarks import Benchmarks, ZeroShotRequest
from egocurate.commands.evaluation.class_sentences import Speech, learned_narrations
from egocurate.commands.evaluation.figure_tables import accuracies, directions, mean_precision, recalls
from egocurate.commands.jobs.labels import given_names
from egocurate.loaders import ShardIndex
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import System
from egocurate.training.tasks.charades import charades_ego
from egocurate.training.tasks.egomcq import MODES, EgoMCQEvaluator
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.epic_retrieval import epic_retrieval
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.swap_quiz import SwapQuizEvaluator
from egocurate.training.tasks.zero_shot.class_texts import read_templates
from egocurate.training.tasks.zero_shot.classification import ZeroShotTest, names_to_ask, zero_shot_classes
from egocurate.training.tasks.zero_shot.video_retrieval import RetrievalTest, video_retrieval


class Answer(NamedTuple):
    """What a benchmark gives: its name, what it was asked with, numbers by name, the clips left out, how it prints."""

    name: str
    settings: dict[str, object]
    values: dict[str, float]
    missing: list[str]
    table: Callable[[dict[str, float]], str]


@dataclass(frozen=True)
class Asked:
    """A model that is evaluated: its settings, whether it is a release of others, what embeds, and who reports."""

    config: TrainConfig
    is_release: bool
    system: System
    ranks: Ranks
    report: Report

    @property
    def embedder(self) -> Embedder:
        """What embeds its clips and texts."""
        at_once = clips_at_once(self.config, self.system, self.ranks)
        return Embedder(self.system, self.ranks, self.config.data.workers, at_once)


def each_benchmark(benchmarks: Benchmarks, asked: Asked) -> Iterator[tuple[str, Callable[[], list[Answer]]]]:
    """Give each benchmark that is asked for: its name and what answers it, which raises InputError for its data."""
    if benchmarks.mcq_json:
        yield "egomcq", partial(_egomcq, benchmarks, asked)
    if benchmarks.swap_quiz:
        yield "swap-quiz", partial(_swap_quiz, asked)
    if benchmarks.epic_retrieval:
        yield "epic-retrieval", partial(_epic_retrieval, benchmarks, asked)
    if benchmarks.charades:
        yield "charades-ego", partial(_charades_ego, benchmarks, asked)
    for request in benchmarks.zero_shot:
        yield request.title, partial(_zero_shot, request, asked)
    if benchmarks.retrieval:
        yield "retrieval", partial(_retrieval, benchmarks.retrieval, asked)


def _egomcq(benchmarks: Benchmarks, asked: Asked) -> list[Answer]:
    config = asked.config
    modes = MODES if benchmarks.mcq_mode == "all" else (config.mcq_mode,)
    figures, missing = EgoMCQEvaluator(config, asked.system, asked.ranks, asked.report).evaluate_modes(modes)
    settings = {"text": config.data.text, "questions": config.mcq_json, "shards": config.mcq_shards}
    return [Answer(f"egomcq-{mode}", {"mode": mode, **settings}, figures[mode], missing, accuracies) for mode in modes]


def _swap_quiz(asked: Asked) -> list[Answer]:
    config = asked.config
    figures, missing = SwapQuizEvaluator(config, asked.system, asked.ranks, asked.report).evaluate()
    settings = {"text": config.data.text, "questions": config.swap_quiz, "shards": config.mcq_shards}
    return [Answer("swap-quiz", settings, figures, missing, accuracies)]


def _epic_retrieval(benchmarks: Benchmarks, asked: Asked) -> list[Answer]:
    annotations, shards = benchmarks.epic_retrieval, benchmarks.epic_shards
    values, missing = epic_retrieval(
        Path(annotations),
        shards,
        asked.config.data,
        asked.embedder,
        asked.report,
        dual=benchmarks.dual_softmax,
    )
    return [Answer("epic-retrieval", {"annotations": annotations, "shards": shards}, values, missing, directions)]


def _charades_ego(benchmarks: Benchmarks, asked: Asked) -> list[Answer]:
    annotations, videos = benchmarks.charades, benchmarks.charades_videos
    values, missing = charades_ego(Path(annotations), Path(videos), asked.config.data, asked.embedder, asked.report)
    return [Answer("charades-ego", {"annotations": annotations, "videos": videos}, values, missing, mean_precision)]


def _zero_shot(request: ZeroShotRequest, asked: Asked) -> list[Answer]:
    config, index = asked.config, ShardIndex.open(request.shards)
    kinds = [request.label] if request.label else list(index.label_names)
    names = names_to_ask(index, request.label, given_names(request.label_names, kinds))
    templates = tuple(read_templates(Path(request.templates))) if request.templates else ()
    speech = Speech(learned_narrations(config, asked.is_release), config.data.text, templates)
    sentences = {kind: speech.sentences(kind, classes) for kind, classes in names.items()}
    test = ZeroShotTest(index, sentences, request.views)
    values, missing = zero_shot_classes(test, config.data, asked.embedder, asked.report)
    settings = {"shards": request.shards, "labels": list(names), "templates": list(speech.asked_by)}
    settings |= {"text": speech.form if speech.narrations else "as written", "views": request.views}
    first = {kind: next(filter(None, of_kind), []) for kind, of_kind in sentences.items()}
    return [Answer(request.title, settings | {"asked_as": first}, values, missing, accuracies)]


def _retrieval(test: RetrievalTest, asked: Asked) -> list[Answer]:
    values, missing = video_retrieval(test, asked.config.data, asked.embedder, asked.report)
    where = {"shards": test.shards} if test.shards else {"videos": test.videos}
    return [Answer("retrieval", {"captions": str(test.captions), **where}, values, missing, recalls)]
