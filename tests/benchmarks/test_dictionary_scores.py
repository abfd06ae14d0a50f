import itertools

import numpy as np
import pytest

from benchmarks.dictionaries import RULES, Gold, scores


def test_scores_are_those_of_all_pairs_one_by_one():
    rng = np.random.default_rng(0)
    verbs, nouns, true_verbs, true_nouns = (
        [list(rng.choice(4, rng.integers(0, 3), replace=False)) for _ in range(40)] for _ in range(4)
    )
    found = scores(verbs, nouns, Gold([""] * 40, true_verbs, true_nouns))
    for rule, of in RULES.items():
        right = positive = wanted = 0
        for a, b in itertools.combinations(range(40), 2):
            mine = of(bool({*verbs[a]} & {*verbs[b]}), bool({*nouns[a]} & {*nouns[b]}))
            gold = of(bool({*true_verbs[a]} & {*true_verbs[b]}), bool({*true_nouns[a]} & {*true_nouns[b]}))
            right, positive, wanted = right + (mine and gold), positive + mine, wanted + gold
        assert found[rule] == pytest.approx((right / positive, right / wanted, 2 * right / (positive + wanted)))
