import numpy as np

from egocurate.models.metrics.answers import answer_accuracy


def test_questions_are_counted_by_each_of_their_kinds():
    """As EgoTaskQA's released evaluation does: a question counts once for each of its kinds."""
    rng = np.random.default_rng(0)
    predicted, labels = rng.integers(0, 4, (2, 200))
    kinds = [f"{rng.choice(['descriptive', 'predictive'])}$world${rng.choice(['query', 'verify'])}" for _ in labels]
    figures = answer_accuracy(predicted, labels, kinds)
    for kind, name in (("descriptive", "descriptive"), ("world", "world"), ("query", "open"), ("verify", "binary")):
        of_kind = [row for row in range(200) if kind in kinds[row].split("$")]
        assert figures[name] == 100 * np.mean([predicted[row] == labels[row] for row in of_kind])
    assert figures["accuracy"] == figures["world"] and set(figures) == {
        "accuracy",
        "descriptive",
        "predictive",
        "world",
        "open",
        "binary",
    }


def test_an_answer_that_training_has_not_is_wrong():
    figures = answer_accuracy(np.array([0, 0]), np.array([0, -1]), ["", "query"])
    assert figures == {"accuracy": 50.0, "open": 0.0}
    assert np.isnan(answer_accuracy(np.zeros(0, int), np.zeros(0, int), [])["accuracy"])
