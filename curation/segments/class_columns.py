"""Columns of a table of segments that say more of each: its classes as categories, its scores as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from egocurate.curation.labels.annotations import Annotations, annotations, refuse
from egocurate.curation.labels.label_names import number_labels
from egocurate.curation.sources import SCORE_PREFIX
from egocurate.curation.sources.cells import decimal, number, storable
from egocurate.labels import PREFIX, LabelNames, check_kinds, label_column
from egocurate.storage.paths import AnyPath


def class_columns(rows: Annotations) -> dict[str, pd.Categorical]:
    """Return a column for each kind of label that rows have, numbered as `number_labels` does; missing: not known."""
    numbers, names, _ = number_labels(rows, {})
    return {
        label_column(kind): pd.Categorical.from_codes(numbers[kind], _distinct(names[kind])) for kind in rows.labels
    }


def labeled(
    path: AnyPath,
    table: pd.DataFrame,
    texts: Mapping[str, Sequence[str]],
    names: LabelNames | None = None,
) -> pd.DataFrame:
    """Return a table of segments with a column for each kind of label, given as `texts`, "" where not known.

    `names` are the classes that the data set itself brings. Raises InputError, naming the first row, for a label that
    is not among them, and for a kind that cannot be called so.
    """
    check_kinds(list(texts))
    if not texts or table.empty:
        return table
    said = {kind: list(of_kind) for kind, of_kind in texts.items()}
    known = {kind: list(names[kind]) for kind in texts if names and kind in names}
    uids = list(table["video_uid"]) if "video_uid" in table.columns else None
    rows = annotations(path, list(table.index), list(table["video"]), said, uid=uids, names=known)
    return table.assign(**class_columns(rows))


def label_texts(column: pd.Series) -> list[str]:
    """Return labels of a table, words or numbers, as texts: "" for what is none."""
    return [_text(value) for value in column]


def scores(path: AnyPath, column: pd.Series) -> np.ndarray:
    """Return scores of a table, float64[N], NaN where there is none; raises InputError for a text that is no number."""
    values = np.array([decimal(one) if isinstance(one, str) else number(one) for one in column], np.float64)
    wrong = [
        isinstance(one, str) and bool(one.strip()) and math.isnan(value)
        for one, value in zip(column, values, strict=True)
    ]
    refuse(path, list(column.index), wrong, f"has a {column.name} that is no number")
    return values


def is_label(name: str) -> bool:
    """Tell whether a column of a table of segments holds labels: `label`, or label_<kind>."""
    return name == "label" or name.startswith(PREFIX)


def is_score(name: str) -> bool:
    """Tell whether a column of a table of segments holds scores: score_<name>."""
    return name.startswith(SCORE_PREFIX)


def kind_of(name: str) -> str:
    """Return the kind of the labels of a column: that of label_verb is verb, that of label is label."""
    return name.removeprefix(PREFIX)


def described(table: pd.DataFrame) -> list[str]:
    """Say how many classes the labels of a table of segments have, and of how many rows each is not known."""
    found = []
    for name in filter(is_label, table.columns):
        unknown = int(table[name].isna().sum())
        of_rows = f", not known for {unknown:,} segments" if unknown else ""
        found.append(f"label {kind_of(name)}: {len(table[name].cat.categories):,} classes{of_rows}")
    return found


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():  # as pandas keeps numbers of which one is missing
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else storable(value).strip()


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names, each of those that two classes share with its number, as categories are all different."""
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names)]
