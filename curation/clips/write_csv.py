"""Write a clip table as the published egoclip.csv: a column at a time, as text, then whole lines at once."""

from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from egocurate.clip_table import CSV_COLUMNS

ROWS = 100_000  # lines made at a time: bounds memory


def write_csv(table: pa.Table, file: BinaryIO) -> None:
    """Write a clip table with its header."""
    write_csv_header(file)
    write_csv_rows(table, file)


def write_csv_header(file: BinaryIO) -> None:
    """Write the names of the published columns."""
    file.write(("\t".join(CSV_COLUMNS) + "\n").encode())


def write_csv_rows(table: pa.Table, file: BinaryIO) -> None:
    """Write the published columns as tab-separated text, tags as Python lists, quotes only where a text holds one."""
    published = table.select(CSV_COLUMNS)
    for start in range(0, len(published), ROWS):
        part = published.slice(start, ROWS).combine_chunks()
        *columns, last = (_texts(part[name].combine_chunks()) for name in CSV_COLUMNS)
        lines = pc.binary_join_element_wise(*columns, _around("", last, "\n"), "\t")
        file.write(pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "")[0].as_buffer())


def _texts(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        # Of the part of the table alone: `values` are those of the whole.
        offsets = pc.subtract(column.offsets, column.offsets[0])
        classes = pa.ListArray.from_arrays(offsets, column.flatten().cast(pa.string()))
        return _around("[", pc.binary_join(classes, ", "), "]")
    texts = column.cast(pa.string())
    if pa.types.is_floating(column.type):
        # A column of whole seconds must not be read as one of integers.
        return pc.if_else(pc.match_substring_regex(texts, "[.en]"), texts, _around("", texts, ".0"))
    if pa.types.is_string(column.type):
        quoted = _around('"', pc.replace_substring(texts, '"', '""'), '"')
        return pc.if_else(pc.match_substring_regex(texts, '["\t\r\n]'), quoted, texts)
    return texts


def _around(before: str, texts: pa.Array, after: str) -> pa.Array:
    return pc.binary_join_element_wise(before, texts, after, "")
