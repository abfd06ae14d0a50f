"""Accuracy of answers as EgoTaskQA's released evaluation counts it: of all questions, and of each kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINARY, OPEN = "verify", "query"
"""What the two forms of a question are called among its kinds: yes or no, or any answer."""

_SHOWN_AS = {BINARY: "binary", OPEN: "open"}


def answer_accuracy(predicted: np.ndarray, labels: np.ndarray, kinds: Sequence[str]) -> dict[str, float]:
    """Return "accuracy" in percent, and that of the questions of each kind: "open", "binary", "descriptive", ...

    predicted, labels: int64 [N]; a label of -1 is an answer that training has not, so the question counts as wrong.
    kinds: those of each question, as "descriptive$world$action$query$direct"; none if it is "".
    """
    right = (predicted == labels) & (labels >= 0)
    of_kind: dict[str, list[bool]] = {}
    for is_right, text in zip(right.tolist(), kinds, strict=True):
        for kind in text.split("$") if text else ():
            of_kind.setdefault(kind, []).append(is_right)
    if not len(right):
        return {"accuracy": np.nan}
    named = {_SHOWN_AS.get(kind, kind): 100 * float(np.mean(of_kind[kind])) for kind in sorted(of_kind)}
    return {"accuracy": 100 * float(right.mean()), **named}
