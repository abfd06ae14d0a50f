"""Whether the rows of a clip table can be clips: a stranger's table is refused, or is what it says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import caption_fault, has_captions
from egocurate.clip_table import CLIP_ID, CLIP_SCHEMA, column_codes
from egocurate.curation.sources.cells import LONGEST_SEC
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

_SECONDS = tuple(field.name for field in CLIP_SCHEMA if pa.types.is_floating(field.type))
_COUNTS = ("clip_idx", "narration_ind")
_LISTS = tuple(field.name for field in CLIP_SCHEMA if pa.types.is_list(field.type))


def check_clips(path: AnyPath, table: pa.Table, what: str = "row") -> None:
    """Raise InputError, naming a row (from 1) and its value, for columns of CLIP_SCHEMA that say what cannot be.

    Times are seconds of a video, numbers and classes are counted from 0, a video and a pass have names, and no number
    and no clip comes twice. An end before a start is left to the cutting, which tells of each such clip.
    """
    for name, bad, why in _doubts(table):
        if pc.any(bad).as_py():
            row = int(np.argmax(np.asarray(bad)))
            value = table[name][row].as_py()
            raise InputError(f"{path}: {what} {row + 1}: {name} has {value!r}, {why}; mend or delete that row")
    if has_captions(table.schema) and (fault := caption_fault(table)):
        raise InputError(f"{path}: {what} {fault[0] + 1}: {fault[1]}; mend or delete that row")


def _doubts(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray, str]]:
    """Yield a column, which of its rows are wrong, and why; one after the other, to hold one mask at a time."""
    for name in _SECONDS:
        if name in table.column_names:
            usable = pc.less_equal(pc.abs(table[name]), LONGEST_SEC)  # not so for NaN
            yield name, pc.invert(usable), "which is no time of a video"
    for name in _COUNTS:
        yield name, pc.less(table[name], 0), "which is no count"
    for name in CLIP_ID[:2]:
        yield name, pc.equal(pc.binary_length(table[name]), 0), "which is no name"
    for name in _LISTS:
        if name in table.column_names:
            yield name, _with_negative(table[name]), "with a number below 0"
    yield "clip_idx", _repeated(table["clip_idx"].to_numpy()), "again; each row needs its own"
    names = [column_codes(table[name]) for name in CLIP_ID[:2]]
    yield "narration_ind", _repeated(table["narration_ind"].to_numpy(), *names), "again for its video and pass"


def _with_negative(lists: pa.ChunkedArray) -> pa.Array:
    """Tell which lists hold a negative number (bool[N]); hardly a table has one."""
    if not any(pc.any(pc.less(pc.list_flatten(chunk), 0)).as_py() for chunk in lists.chunks):
        return pa.array([], pa.bool_())
    return pa.array([min(values, default=0) < 0 for values in lists.to_pylist()])


def _repeated(*numbers: np.ndarray) -> pa.Array:
    """Tell which rows have the numbers of an earlier one (bool[N]): arrays int64[N], the first varies most."""
    if len(numbers) == 1 and (np.diff(numbers[0]) > 0).all():
        return pa.array([], pa.bool_())
    order = np.lexsort(numbers)
    again = np.zeros(len(order), bool)
    again[order[1:]] = np.all([part[order[1:]] == part[order[:-1]] for part in numbers], axis=0)
    return pa.array(again)
