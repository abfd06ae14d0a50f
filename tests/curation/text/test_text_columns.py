"""Columns of narrations: what Arrow tells of plain ones is what `marks` tells of each text."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.text import text_columns
from egocurate.curation.text.marks import is_unsure, normalize, sentence, word_count
from egocurate.curation.text.text_columns import are_unsure, name_nobody, normalized, word_counts

TEXTS = [
    "#C C picks a bag",
    "#C C picks a bag.",
    "#O O walks..",
    "#C O c cuts",
    "#O A man X throws the ball.,",
    "#C C puts #unsure down",
    "#C C ißt\n",
    "#C C cuts\n",
    "#C  C cuts",
    "",
    "(unsure)",
    "x",
]


def check(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    assert normalized(column).cast(pa.large_string()).to_pylist() == list(map(normalize, texts))
    assert word_counts(column).tolist() == list(map(word_count, texts))
    assert are_unsure(column).tolist() == list(map(is_unsure, texts))
    assert name_nobody(column).tolist() == [not sentence(text).letter for text in texts]


def test_columns_say_what_each_text_says(monkeypatch: pytest.MonkeyPatch):
    check(TEXTS)
    monkeypatch.setattr(text_columns, "_TEXTS_AT_ONCE", 5)
    check(TEXTS)
    check(TEXTS[:1] * 7)
    check([])


def test_kinds_of_columns():
    assert word_counts(pa.array(TEXTS[:2], pa.large_string())).dtype == np.int64
    assert are_unsure(pa.array([], pa.large_string())).dtype == bool


@given(st.lists(st.text(alphabet="#CO cobag.\n-", max_size=12).map("#C C ".__add__), max_size=4))
def test_any_texts(texts):
    check(texts)
