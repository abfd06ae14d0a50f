"""Zero-shot classification: the class of a clip is the one whose sentences its embedding is nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN, LabelNames
from egocurate.loaders import MultiViewClips, ShardIndex, Views
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.metrics.classes import class_accuracies
from egocurate.progress import Report
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.zero_shot.class_texts import unnamed

STAGE = "zero-shot clips"
MOST_NAMED = 3


@dataclass(frozen=True)
class ZeroShotTest:
    """Labeled clips, and the sentences that ask for each class of each kind of label, [classes][templates].

    A class without sentences is never the answer. `views` clips of a test are merged: K runs of frames along each one.
    """

    index: ShardIndex
    sentences: Mapping[str, Sequence[Sequence[str]]]
    views: int = 1


def names_to_ask(index: ShardIndex, kind: str, given: LabelNames) -> dict[str, list[str]]:
    """Return the names of the classes of labeled shards, of one `kind` or for "" of all, those that are `given` first.

    A class that has only a number is named "", if no clip is of it. Raises InputError, one line, for shards without
    the label, names of another number of classes, and clips of a class that has only a number.
    """
    kinds = list(index.label_names) if not kind else [kind]
    lacking = [one for one in kinds if one not in index.label_names]
    if lacking or not kinds:
        there = ", ".join(index.label_names) or "none; cut them with `curate segments --csv`"
        raise InputError(f"{index.folder}: has no label {kind or 'at all'}: there are {there}")
    names = {}
    for one in kinds:
        of_shards = index.label_names[one]
        called = list(given.get(one, of_shards))
        if len(called) != len(of_shards):
            raise InputError(
                f"--label-names: {len(called)} names of {one}, and {index.folder} has {len(of_shards)} classes; take "
                "the names and the labels of one version"
            )
        names[one] = _without_numbers(index, one, called)
    return names


def _without_numbers(index: ShardIndex, kind: str, names: list[str]) -> list[str]:
    numbers = unnamed(names)
    labels = index.labels[kind]
    clips = int(np.isin(labels, numbers).sum())
    if clips:
        shown = [number for number in numbers if (labels == number).any()]
        more = ", ..." if len(shown) > MOST_NAMED else ""
        raise InputError(
            f"{index.folder}: {clips:,} clips are of {len(shown):,} of the {len(names):,} classes of {kind} that have "
            f"no name but a number ({', '.join(map(str, shown[:MOST_NAMED]))}{more}); give names: --label-names "
            f"{kind}=FILE"
        )
    return ["" if number in set(numbers) else name for number, name in enumerate(names)]


def zero_shot_classes(
    test: ZeroShotTest, data: StreamConfig, embedder: Embedder, report: Report
) -> tuple[dict[str, float], list[str]]:
    """Return top-1, top-5 and mean class accuracy in percent, and the clips left out, named, with the reason.

    A class is the mean of the unit embeddings of its sentences, a clip that of its views; the cosine decides. Of
    several kinds of labels the names begin with the kind, as verb_top1. Clips whose label is not known do not count.
    Every rank calls this, and all get the same. Raises InputError if no clip decodes.
    """
    index = test.index
    known = np.any([np.asarray(index.labels[kind]) != UNKNOWN for kind in test.sentences], axis=0)
    samples = np.flatnonzero(known)
    if not len(samples):
        raise InputError(f"{index.folder}: no clip has a label of {', '.join(test.sentences)}; cut them again")
    clips, failures = _at_once(embedder, test.views).clips(_clips(test, samples, data), STAGE, report)
    decoded = np.array([place for place in range(len(samples)) if place not in failures], np.int64)
    if not len(decoded):
        raise InputError(f"{index.folder}: no clip decodes ({failures[0]}); run `curate verify` on the shards")
    figures = {}
    for kind, sentences in test.sentences.items():
        scores = class_scores(clips[torch.from_numpy(decoded)], sentences, embedder)
        found = class_accuracies(scores, index.labels[kind][samples[decoded]].astype(np.int64))
        before = f"{kind}_" if len(test.sentences) > 1 else ""
        figures |= {f"{before}{name}": value for name, value in found.items()}
    return figures, [f"{index.key(int(samples[place]))} ({why})" for place, why in failures.items()]


def class_scores(clips: Tensor, sentences: Sequence[Sequence[str]], embedder: Embedder) -> np.ndarray:
    """Return the cosines float64 [N, C] of clips [N, D] and classes; -inf for a class without sentences."""
    texts = embedder.texts([text for of_class in sentences for text in of_class])
    counts = [len(of_class) for of_class in sentences]
    means = [part.mean(0) if len(part) else torch.zeros_like(clips[0]) for part in texts.split(counts)]
    scores = (clips @ unit_rows(torch.stack(means)).T).double().cpu().numpy()
    return np.where(np.array(counts) > 0, scores, -np.inf)


def _clips(test: ZeroShotTest, samples: np.ndarray, data: StreamConfig) -> Dataset:
    if test.views == 1:
        return EvaluationClips(test.index, samples, frames=data.frames, size=data.size, decoder=data.decoder)
    views = Views(frames=data.frames, size=data.size, segments=test.views, crops=1, pick="segments-middle")
    return MultiViewClips(test.index, samples, views, decoder=data.decoder)


def _at_once(embedder: Embedder, views: int) -> Embedder:
    return embedder._replace(clips_at_once=max(1, embedder.clips_at_once // views))
