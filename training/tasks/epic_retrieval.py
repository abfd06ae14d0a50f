"""Multi-instance retrieval on EPIC-KITCHENS-100: which sentences belong to a clip, which clips to a sentence?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from egocurate.clip_table import clip_key
from egocurate.errors import InputError
from egocurate.literal_lists import class_list
from egocurate.loaders import ShardIndex
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.metrics.ranks import dual_softmax
from egocurate.models.metrics.retrieval import Actions, multi_instance_retrieval, relevancy
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import Embedder, answering
from egocurate.training.tasks.eval_batch import embedder_of
from egocurate.training.tasks.tables import read_rows

if TYPE_CHECKING:
    from egocurate.training.systems.base import System

CLIPS, SENTENCES = "EPIC_100_retrieval_test.csv", "EPIC_100_retrieval_test_sentence.csv"
PASS = "narration_pass_1"  # under which shards know EPIC's narrations
_ID = re.compile(r"(.+)_(\d+)")


class Retrieval(NamedTuple):
    """The benchmark: clips by narration id, sentences, and the actions of both."""

    ids: list[str]
    clips: Actions
    sentences: list[str]
    sentence_actions: Actions


def read_retrieval(folder: Path) -> Retrieval:
    """Read the folder `retrieval_annotations` as published; raises InputError for files that are not so.

    A sentence has the classes of the clip whose narration id it bears. Older copies call its columns index, sentence.
    """
    wanted = ("narration_id", "verb_class", "all_noun_classes")
    rows = read_rows(folder / CLIPS, {name: (name,) for name in wanted})
    sentences = read_rows(
        folder / SENTENCES, {"narration_id": ("narration_id", "index"), "narration": ("narration", "sentence")}
    )
    verbs, nouns = [], []
    for row in rows:
        verb, noun = class_list(f"[{row['verb_class']}]"), class_list(row["all_noun_classes"])
        if verb is None or len(verb) != 1 or noun is None:
            classes = f"classes {row['verb_class']!r} and {row['all_noun_classes']!r}"
            raise InputError(f"{folder / CLIPS}: {row['narration_id']} has {classes}; take it as published")
        verbs += verb
        nouns.append(set(noun))
    place: dict[str, int] = {}
    for number, row in enumerate(rows):
        if place.setdefault(row["narration_id"], number) != number:
            raise InputError(
                f"{folder / CLIPS}: narration_id {row['narration_id']!r} comes twice; take it as published"
            )
    unknown = [row["narration_id"] for row in sentences if row["narration_id"] not in place]
    if unknown:
        raise InputError(f"{folder / SENTENCES}: {unknown[0]!r} is not in {CLIPS}; both must be of one version")
    clip_of_sentence = [place[row["narration_id"]] for row in sentences]
    sentence_actions = Actions(np.array([verbs[i] for i in clip_of_sentence]), [nouns[i] for i in clip_of_sentence])
    return Retrieval(
        ids=[row["narration_id"] for row in rows],
        clips=Actions(np.array(verbs), nouns),
        sentences=[row["narration"].strip() for row in sentences],
        sentence_actions=sentence_actions,
    )


class EpicRetrievalEvaluator:
    """Ranks the clips of `test_shards` and the sentences of `annotations`; without these two there are no figures."""

    title, prefix = "EPIC-KITCHENS-100 retrieval", "test"

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Read the benchmark; raises InputError for files that are not as published, or one of the two alone."""
        self.config, self.system, self.ranks, self.report = config, system, ranks, report
        if bool(config.annotations) != bool(config.test_shards):
            raise InputError(
                "multi-instance retrieval needs --annotations (the folder retrieval_annotations) and --test-shards"
            )
        if config.annotations:
            read_retrieval(Path(config.annotations))
            ShardIndex.open(config.test_shards)

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return the figures of `epic_retrieval` and the clips left out, the same on every rank."""
        config = self.config
        if not config.annotations:
            return {}, []
        dual = config.objective.dual_softmax
        with answering(self.system.model):
            embedder = embedder_of(config, self.system, self.ranks)
            folder = Path(config.annotations)
            return epic_retrieval(folder, config.test_shards, config.data, embedder, self.report, dual=dual)


def epic_retrieval(
    folder: Path, shards: str, data: StreamConfig, embedder: Embedder, report: Report, *, dual: bool = False
) -> tuple[dict[str, float], list[str]]:
    """Return mAP and nDCG in percent (`multi_instance_retrieval`), and the narration ids left out, with the reason.

    A clip is left out if it is not in the shards or does not decode; sentences all stay. Similarity is (cos + 1) / 2.
    dual: the same figures as dual_map_avg, ... beside, after a dual softmax of the cosines (`ranks.dual_softmax`).
    Raises InputError if no clip can be had.
    """
    benchmark = read_retrieval(folder)
    index = ShardIndex.open(shards)
    samples = [index.get(clip_name(narration)) for narration in benchmark.ids]
    in_shards = [row for row, sample in enumerate(samples) if sample is not None]
    if not in_shards:
        raise InputError(
            f"{shards}: has none of the {len(samples)} clips of {folder / CLIPS}, as {clip_name(benchmark.ids[0])}; "
            f"cut them with `curate shards --egoclip {folder / CLIPS} --source epic-kitchens --root EPIC --out S`"
        )
    clips = EvaluationClips(
        index, [samples[row] for row in in_shards], frames=data.frames, size=data.size, decoder=data.decoder
    )
    video, failures = embedder.clips(clips, "EPIC-KITCHENS-100 clips", report)
    decoded = [place for place in range(len(in_shards)) if place not in failures]
    if not decoded:
        raise InputError(f"{shards}: none of its clips decodes ({failures[0]}); run `curate verify` on the shards")
    cosines = (video[decoded] @ embedder.texts(benchmark.sentences).T).double().cpu().numpy()
    rows = [in_shards[place] for place in decoded]
    actions = Actions(benchmark.clips.verb[rows], [benchmark.clips.nouns[row] for row in rows])
    relevance = relevancy(actions, benchmark.sentence_actions)
    figures = multi_instance_retrieval((cosines + 1) / 2, relevance)
    if dual:
        ranked = multi_instance_retrieval(dual_softmax(cosines), relevance)
        figures |= {f"dual_{name}": value for name, value in ranked.items()}
    reasons = {row: "not in the shards" for row, sample in enumerate(samples) if sample is None}
    reasons |= {in_shards[place]: reason for place, reason in failures.items()}
    return figures, [f"{benchmark.ids[row]} ({reasons[row]})" for row in sorted(reasons)]


def clip_name(narration: str) -> str:
    """Return the key under which shards have the clip of a narration id; InputError for one that is not EPIC's."""
    parts = _ID.fullmatch(narration)
    if not parts:
        raise InputError(f"narration id {narration!r}: EPIC's end in a number, as P01_11_0 does")
    return clip_key(parts[1], PASS, int(parts[2]))
