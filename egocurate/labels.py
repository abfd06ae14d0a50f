"""Class labels of clips: how a clip table, an index and a manifest write them.

Each kind of label (verb, noun, action, ...) is a column of class numbers, and a list of names whose place is the
number. A clip table keeps the names in its metadata, a shard folder in its manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import caption_fields
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.errors import InputError
from egocurate.storage.parquet import parquet_file
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed

LabelNames = Mapping[str, Sequence[str]]
"""kind of label -> the names of its classes, in the order of their numbers"""

PREFIX = "label_"
"""What a column of labels begins with: that of the kind "verb" is label_verb."""

LABEL_TYPE = pa.int32()
UNKNOWN = -1
"""The label of a clip of which it is not known."""

MOST_CLASSES = 1_000_000
LABELS_KEY = b"egocurate.labels"
"""Key of a clip table's metadata: its label names as JSON."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")


def label_column(kind: str) -> str:
    """Return the name of the column with the labels of a kind."""
    return PREFIX + kind


def label_fields(kinds: Iterable[str]) -> list[pa.Field]:
    """Return the columns of some kinds of labels."""
    return [pa.field(label_column(kind), LABEL_TYPE) for kind in kinds]


def clip_schema(kinds: Iterable[str]) -> pa.Schema:
    """Return the columns of a clip table with labels of some kinds."""
    return pa.schema([*CLIP_SCHEMA, *label_fields(kinds)])


def table_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns that a clip table with this schema has to have: with its labels and its captions.

    Raises ValueError for label names that are none.
    """
    return pa.schema([*clip_schema(table_label_names(schema)), *caption_fields(schema)])


def table_label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the label names of a clip table, {} for one without labels; raises ValueError for what are none."""
    written = (schema.metadata or {}).get(LABELS_KEY)
    return {} if written is None else check_label_names(json.loads(written))


def with_labels(clips: pa.Table, labels: Mapping[str, np.ndarray], names: LabelNames) -> pa.Table:
    """Return a clip table with labels, int[N] of each kind, and their names."""
    for kind in names:
        clips = clips.append_column(label_column(kind), pa.array(labels[kind], LABEL_TYPE))
    metadata = {**(clips.schema.metadata or {}), LABELS_KEY: json.dumps({k: list(v) for k, v in names.items()})}
    return clips.replace_schema_metadata(metadata)


def read_clip_table(path: AnyPath) -> pa.Table:
    """Return the clips of a parquet file with the labels that it has; raises InputError as `read_typed`.

    And for a label that is not among the names, with its row.
    """
    try:
        with parquet_file(path) as file:
            names, schema = table_label_names(file.schema_arrow), table_schema(file.schema_arrow)
    except (ValueError, RecursionError, OSError, pa.ArrowException) as error:
        if isinstance(error, PermissionError | FileNotFoundError):
            raise
        raise InputError(f"{path}: not a readable clip table ({error}); write it again") from error
    table = read_typed(path, schema)
    for kind, classes in names.items():
        column = table[label_column(kind)]
        wrong = pc.or_(pc.less(column, UNKNOWN), pc.greater_equal(column, len(classes)))
        if pc.any(wrong).as_py():
            row = int(np.argmax(np.asarray(wrong)))
            raise InputError(
                f"{path}: row {row + 1}: {label_column(kind)} has {column[row].as_py()}, and there are "
                f"{len(classes)} names (0 to {len(classes) - 1}, {UNKNOWN} for not known); write the table again"
            )
    return table


def check_label_names(names: object) -> dict[str, list[str]]:
    """Return label names as they are; raises ValueError for what are none."""
    if not isinstance(names, dict):
        raise ValueError("labels are no object")
    for kind, classes in names.items():
        if not _KIND.fullmatch(kind):
            raise ValueError(f"a kind of label is called {kind!r}, not in small letters, digits and _")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise ValueError(f"the names of label {kind} are no list of texts")
        if len(classes) > MOST_CLASSES:
            raise ValueError(f"label {kind} has {len(classes)} classes")
    return names


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise InputError for kinds of labels that cannot be called so."""
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            raise InputError(f"label {kind!r}: call it by small letters, digits and _, as verb_class")
        if kinds.count(kind) > 1:
            raise InputError(f"label {kind!r} is named more than once")
