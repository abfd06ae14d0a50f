"""Classes of clips: a classifier's scores, merged over the views of each clip, against the labels of shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from egocurate.errors import InputError
from egocurate.loaders import MultiViewClips, ShardIndex, Views
from egocurate.models.metrics.classes import class_accuracies
from egocurate.models.metrics.views import mean_of_views
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import answering, decode_batches, failures_of_ranks, sum_over_ranks
from egocurate.training.tasks.eval_batch import clips_at_once

if TYPE_CHECKING:  # systems are tested by tasks, and import them
    from egocurate.training.systems.base import System

STAGE = "classes"


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
            data, objective = config.data, config.objective
            views = Views(
                frames=data.frames,
                size=data.size,
                segments=objective.test_segments,
                crops=objective.test_crops,
                pick=data.pick,
            )
            self.clips = MultiViewClips(index, range(len(index)), views, decoder=data.decoder)

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return top-1, top-5 and mean class accuracy in percent, and the clips left out; the same on every rank.

        Of several kinds of labels the names begin with the kind, as verb_top1.
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
        figures = {}
        for kind, scores in probabilities.items():
            found = class_accuracies(scores[decoded], self.clips.labels(kind)[decoded])
            before = f"{kind}_" if len(probabilities) > 1 else ""
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
                views = decoded.frames.flatten(0, 1).to(ranks.device)
                with ranks.autocast():
                    parts = [self.system.logits(part) for part in views.split(at_once)]
                for kind in rows:
                    logits = torch.cat([part[kind] for part in parts]).float().cpu().numpy()
                    merged = mean_of_views(logits.reshape(len(decoded.places), len(clips.views), -1))
                    rows[kind][decoded.places] = torch.from_numpy(merged)
            done = min(done + len(batch) * ranks.size, total)
            self.report(STAGE, done, total)
        return {kind: scores.to(ranks.device) for kind, scores in rows.items()}, failures


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
