"""Average precision is the area under the curve, threshold by threshold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.models.metrics.average_precision import average_precision


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_average_precision_is_the_area_by_thresholds(items):
    scores, labels = np.array([float(s) for s, _ in items]), np.array([right for _, right in items])
    if not labels.any():
        assert math.isnan(average_precision(scores[:, None], labels[:, None])[0])
        return
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        precision, reached = labels[taken].mean(), labels[taken].sum() / labels.sum()
        area += precision * (reached - recall)
        recall = reached
    assert average_precision(scores[:, None], labels[:, None])[0] == pytest.approx(area)
