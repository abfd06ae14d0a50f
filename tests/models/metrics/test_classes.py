import numpy as np
import pytest

from egocurate.models.metrics.classes import action_scores, class_accuracies, class_mean_recall, top_k_hits


def is_hit(scores, label, k):
    """The class is among the k first when all are put in order, lower classes first where scores are equal."""
    order = sorted(range(len(scores)), key=lambda c: (-scores[c], c))
    return label in order[:k]


def drawn(seed, items=60, classes=9):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (items, classes)) / 5  # with ties
    return scores, rng.integers(-1, classes - 1, items)  # the last class has no items


@pytest.mark.parametrize("seed", range(8))
def test_accuracies_are_those_of_counting(seed):
    scores, labels = drawn(seed)
    known = [(row, int(label)) for row, label in zip(scores, labels, strict=True) if label >= 0]
    of_class = {c: [is_hit(row, c, 1) for row, label in known if label == c] for c in range(9)}
    figures = class_accuracies(scores, labels)
    assert figures["top1"] == pytest.approx(100 * np.mean([is_hit(row, label, 1) for row, label in known]))
    assert figures["top5"] == pytest.approx(100 * np.mean([is_hit(row, label, 5) for row, label in known]))
    assert figures["mean_class"] == pytest.approx(100 * np.mean([np.mean(hits) for hits in of_class.values() if hits]))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("classes", [None, {0, 3, 8}])
def test_recall_is_the_mean_over_classes(seed, classes):
    scores, labels = drawn(seed)
    chosen = sorted(set(labels.tolist()) - {-1} if classes is None else classes & set(labels.tolist()))
    recalls = []
    for c in chosen:
        hits = [is_hit(row, c, 5) for row, label in zip(scores, labels, strict=True) if label == c]
        recalls.append(sum(hits) / len(hits))
    assert class_mean_recall(scores, labels, classes=classes) == pytest.approx(100 * sum(recalls) / len(recalls))


def test_a_score_that_is_no_number_answers_wrong():
    scores = np.array([[np.nan, 0.0], [1.0, 0.0]])
    assert top_k_hits(scores, np.array([0, 0]), 2).tolist() == [False, True]


def test_no_known_label_gives_no_figure():
    assert all(np.isnan(value) for value in class_accuracies(np.zeros((2, 3)), np.array([-1, -1])).values())
    assert np.isnan(class_mean_recall(np.zeros((2, 3)), np.array([0, 1]), classes=[2]))


def test_an_action_is_as_likely_as_its_verb_and_its_noun():
    verbs, nouns = np.array([[0.25, 0.75]]), np.array([[0.5, 0.5, 0.0]])
    assert action_scores(verbs, nouns, np.array([[0, 1], [1, 2], [1, 0]])).tolist() == [[0.125, 0.0, 0.375]]
