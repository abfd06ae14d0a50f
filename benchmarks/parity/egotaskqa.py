"""EgoTaskQA's accuracy by kind of question, on random answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.parity.rows import Row
from benchmarks.parity.trees import Tree, opened
from egocurate.models.metrics.answers import answer_accuracy

EGOTASKQA = Tree("EGOTASKQA_TREE", "Buzz-Beater/EgoTaskQA", "baselines")
QUESTIONS, ANSWERS = 2000, 6
KINDS = (
    ("descriptive", "predictive", "explanatory", "counterfactual"),
    ("world", "intent", "multi-agent"),
    ("action", "object", "state", "change"),
    ("query", "verify"),
    ("direct", "indirect"),
)


def egotaskqa() -> Iterator[Row]:
    """Compare the figures in percent, of all questions and of each kind."""
    draw = np.random.default_rng(0)
    predicted, labels = draw.integers(0, ANSWERS, (2, QUESTIONS))
    kinds = [[str(draw.choice(of)) for of in KINDS] for _ in range(QUESTIONS)]
    with opened(EGOTASKQA):
        from utils.utils import ReasongingTypeAccCalculator

        theirs = ReasongingTypeAccCalculator(sorted({kind for of in KINDS for kind in of} | {"all"}))
        for part in np.array_split(np.arange(QUESTIONS), 7):  # their evaluation counts batch by batch
            answers = (torch.from_numpy(each[part]) for each in (predicted, labels))
            theirs.update([[*kinds[row], "all"] for row in part], *answers)
        found = theirs.get_acc()
        mine = answer_accuracy(predicted, labels, ["$".join(one) for one in kinds])
        named = {"accuracy": "all", "open": "query", "binary": "verify"}
        difference = max(abs(value - 100 * found[named.get(name, name)]) for name, value in mine.items())
        yield Row("EgoTaskQA: accuracy of all and of each kind", EGOTASKQA.title, 0, difference, bar=1e-10)
