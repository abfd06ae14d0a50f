"""Classes of clips: a classifier's scores, merged over the views of each clip, against the labels of shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN, LabelNames
from egocurate.loaders import MultiViewClips, ShardIndex, Views
from egocurate.models.metrics.classes import action_scores, class_accuracies, class_mean_recall
from egocurate.models.metrics.views import mean_of_views
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import answering, decode_batches, failures_of_ranks, sum_over_ranks
from egocurate.training.tasks.eval_batch import clips_at_once

if TYPE_CHECKING:  # systems are tested by tasks, and import them
    from egocurate.training.systems.base import System

STAGE = "classes"
VERB, NOUN, ACTION = "verb", "noun", "action"


class ClassificationEvaluator:
    """Tests a classifier on labeled shards; without `test_shards` there are no figures.

    A clip that does not decode is left out and named.
    """

    title, prefix = STAGE, "test"

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Open the shards; raises InputError for those whose classes are numbered otherwise."""
        self.config, self.system, self.ranks, self.report = config, system, ranks, report
        self.clips: MultiViewClips | None = None
        if config.test_shards:
            index = ShardIndex.open(config.test_shards)
            _refuse_other_names(index, self.tested_names(index), config.test_shards)
            self.clips = MultiViewClips(index, range(len(index)), self.views(config), decoder=config.data.decoder)

    def views(self, config: TrainConfig) -> Views:
        """Return the views of a clip whose probabilities are merged."""
        data, objective = config.data, config.objective
        segments, crops = objective.test_segments, objective.test_crops
        return Views(frames=data.frames, size=data.size, segments=segments, crops=crops, pick=data.pick)

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return top-1, top-5, mean class accuracy and class-mean recall at 5, in percent, and the clips left out.

        The same on every rank. Of several kinds of labels the names begin with the kind, as verb_top1. Where verbs and
        nouns are learned and the shards have actions, these get figures too (`with_actions`).
        """
        if self.clips is None:
            return {}, []
        probabilities, failures = self.probabilities()
        decoded = ~np.isin(np.arange(len(self.clips)), list(failures))
        index = self.clips.index
        left_out = [f"{index.key(self.clips.samples[place])} ({why})" for place, why in failures.items()]
        return self.figures(probabilities, decoded), left_out

    def tested_names(self, index: ShardIndex) -> dict[str, list[str]]:
        """Return the classes, by kind, that the labels of the test must have."""
        return self.system.label_names

    def figures(self, probabilities: dict[str, np.ndarray], decoded: np.ndarray) -> dict[str, float]:
        """Return the figures of scores [N, classes] by kind, of those clips that decode (bool [N])."""
        labels = {kind: self.clips.labels(kind) for kind in self.clips.index.label_names}
        scored, labels = with_actions(probabilities, labels, self.clips.index.label_names)
        figures = {}
        for kind, scores in scored.items():
            here, known = scores[decoded], labels[kind][decoded]
            found = class_accuracies(here, known) | {"recall5": class_mean_recall(here, known, k=5)}
            before = f"{kind}_" if len(scored) > 1 else ""
            figures |= {f"{before}{name}": value for name, value in found.items()}
        return figures

    @torch.no_grad()
    def probabilities(self) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Return the scores float64 [N, classes] of each kind of label, and which clips do not decode, with reasons.

        Those have rows of zeros. Every rank calls this and gets all.
        """
        ranks = self.ranks
        with answering(self.system.model):
            rows, failures = self._scores()
        gathered = {kind: sum_over_ranks(scores, ranks).cpu().numpy() for kind, scores in rows.items()}
        return gathered, failures_of_ranks(failures, ranks)

    def logits(self, places: np.ndarray, frames: torch.Tensor, at_once: int) -> dict[str, torch.Tensor]:
        """Return the logits [n * V, classes] of the clips at some places, uint8 [n, V, T, 3, S, S], by kind."""
        parts = [self.system.logits(part) for part in frames.flatten(0, 1).split(at_once)]
        return {kind: torch.cat([part[kind] for part in parts]) for kind in parts[0]}

    def _scores(self) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
        """Score this rank's share of the clips; the rows of the others are 0."""
        ranks, clips, total = self.ranks, self.clips, len(self.clips)
        at_once = clips_at_once(self.config, self.system, ranks)
        share = np.array_split(np.arange(total), ranks.size)[ranks.rank]
        each = max(1, at_once // len(clips.views))
        batches = [share[start : start + each] for start in range(0, len(share), each)]
        rows = {
            kind: torch.zeros(total, len(names), dtype=torch.float64) for kind, names in self.system.label_names.items()
        }
        failures, done = {}, 0
        for batch, decoded in zip(batches, decode_batches(clips, batches, self.config.data.workers), strict=True):
            failures |= decoded.failures
            if len(decoded.places):
                with ranks.autocast():
                    found = self.logits(decoded.places, decoded.frames.to(ranks.device), at_once)
                for kind in rows:
                    logits = found[kind].float().cpu().numpy()
                    merged = mean_of_views(logits.reshape(len(decoded.places), len(clips.views), -1))
                    rows[kind][decoded.places] = torch.from_numpy(merged)
            done = min(done + len(batch) * ranks.size, total)
            self.report(STAGE, done, total)
        return {kind: scores.to(ranks.device) for kind, scores in rows.items()}, failures


def with_actions(
    scores: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], names: LabelNames
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return scores and labels with those of actions, where actions are called by the numbers of verbs and nouns.

    An action is a pair that training has, called "verb,noun" by its numbers. A clip of another pair counts as wrong: it
    is a class without scores. Where no action has been learned its score is the product of its verb's and its noun's
    (EPIC-KITCHENS-100, 2006.13256, section 5.1).
    """
    scores, labels, pairs = dict(scores), dict(labels), _pairs(names)
    if pairs is None:
        return scores, labels
    verbs, nouns = labels[VERB], labels[NOUN]
    is_new = (labels[ACTION] == UNKNOWN) & (verbs != UNKNOWN) & (nouns != UNKNOWN)
    labels[ACTION] = np.where(is_new, len(pairs) + verbs * len(names[NOUN]) + nouns, labels[ACTION])
    if {VERB, NOUN} <= scores.keys() and ACTION not in scores:
        scores[ACTION] = action_scores(scores[VERB], scores[NOUN], pairs)
    return scores, labels


def _pairs(names: LabelNames) -> np.ndarray | None:
    """Return the numbers int64 [A, 2] that actions are called by; None without verbs and nouns of these numbers."""
    pairs = [name.split(",") for name in names.get(ACTION, ())]
    if not pairs or not all(len(pair) == 2 and all(part.isdecimal() for part in pair) for pair in pairs):
        return None
    numbers = np.array(pairs).astype(np.int64)
    return numbers if (numbers < [len(names.get(VERB, ())), len(names.get(NOUN, ()))]).all() else None


def _refuse_other_names(index: ShardIndex, names: dict[str, list[str]], folder: str) -> None:
    """Raise InputError if shards lack a kind of label, or number its classes otherwise than the classifier."""
    for kind, classes in names.items():
        there = index.label_names.get(kind)
        if there is None:
            raise InputError(f"{folder}: has no label {kind}; cut the test with `curate segments --csv --labels`")
        if list(there) != classes:
            raise InputError(
                f"{folder}: numbers the classes of {kind} otherwise than what was learned from; cut it again with "
                "--label-names and the training shards"
            )
