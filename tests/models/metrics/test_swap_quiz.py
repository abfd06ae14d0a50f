import numpy as np

from egocurate.models.metrics.swap_quiz import swap_quiz_accuracy


def test_a_clip_is_right_where_its_text_is_nearer_than_every_swap():
    right = np.array([0.5, 0.5, 0.5, 0.5, np.nan])
    verbs = [np.array(row) for row in ([0.1, 0.4], [0.6, 0.1], [0.5, 0.1], [0.2, np.nan], [0.0, 0.0])]
    nouns = [np.array(row) for row in ([0.4], [0.4], [0.4], [0.4], [0.4])]
    assert swap_quiz_accuracy(right, verbs, nouns) == {"verb": 20.0, "noun": 80.0, "both": 20.0}
