"""Answers to EgoMCQ, sorted by how sure and how wrong they are, and what is taken for what; arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MOST_VERBS = 12
PARTS = ("right", "wrong: another verb", "wrong: the same verb, another noun", "wrong: no tag tells them apart")


@dataclass(frozen=True)
class Answers:
    """What a model answers: probabilities float [Q, 5] of the options, and the right ones, int64 [Q]."""

    probability: np.ndarray
    right: np.ndarray

    @property
    def chosen(self) -> np.ndarray:
        """The place of the most probable option, the lowest of equal ones, int64 [Q]."""
        return self.probability.argmax(axis=1)

    @property
    def sure(self) -> np.ndarray:
        """How probable it is, float [Q]."""
        return self.probability.max(axis=1)


class Picked(NamedTuple):
    """Questions to look at, int64, the most telling first."""

    surely_right: np.ndarray
    surely_wrong: np.ndarray
    unsure: np.ndarray


@dataclass(frozen=True)
class Confusion:
    """How often a verb was asked for and another chosen: int64 [V, V], rows asked, columns chosen, and their names."""

    verbs: list[str]
    counts: np.ndarray


def probabilities(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return the softmax of cosines [Q, 5] over a temperature: how sure the model would be of its choice."""
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=1, keepdims=True)


def pick(answers: Answers, texts: Sequence[str], most: int) -> Picked:
    """Choose the surest right answers, the surest wrong ones and the least sure of all, each text once in each."""
    is_right = answers.chosen == answers.right
    surest = np.argsort(-answers.sure, kind="stable")
    groups = (surest[is_right[surest]], surest[~is_right[surest]], surest[::-1])
    return Picked(*(_of_distinct_texts(group, texts, most) for group in groups))


def _of_distinct_texts(questions: np.ndarray, texts: Sequence[str], most: int) -> np.ndarray:
    seen: set[str] = set()
    found = []
    for question in questions.tolist():
        if len(found) == most:
            break
        if texts[question] not in seen:
            found.append(question)
        seen.add(texts[question])
    return np.array(found, dtype=np.int64)


def confusion(asked: Sequence[str], chosen: Sequence[str]) -> Confusion | None:
    """Count verbs that were asked for by the verb of the clip that was chosen; "" has none and is left out.

    Of many verbs the MOST_VERBS that are asked for most often are named, the rest is "others". None without any.
    """
    pairs = [(one, other) for one, other in zip(asked, chosen, strict=True) if one and other]
    if not pairs:
        return None
    names, counts = np.unique([one for one, _ in pairs], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_VERBS]
    verbs = [str(name) for name in names[order]]
    place = {verb: at for at, verb in enumerate(verbs)}
    if any(verb not in place for pair in pairs for verb in pair):
        verbs.append("others")
    table = np.zeros((len(verbs), len(verbs)), dtype=np.int64)
    for pair in pairs:
        row, column = (place.get(verb, len(verbs) - 1) for verb in pair)
        table[row, column] += 1
    return Confusion(verbs, table)


def what_was_wrong(answers: Answers, verbs: np.ndarray, nouns: np.ndarray) -> list[tuple[str, int]]:
    """Count PARTS: answers that are right, and wrong ones by what the chosen clip shares with the right one.

    verbs, nouns: bool [Q], whether the two clips' tags of that kind are the same.
    """
    wrong = answers.chosen != answers.right
    counts = [~wrong, wrong & ~verbs, wrong & verbs & ~nouns, wrong & verbs & nouns]
    return [(name, int(count.sum())) for name, count in zip(PARTS, counts, strict=True)]
