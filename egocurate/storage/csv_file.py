"""Read a csv file as what it is, a stranger's: a header, and rows of as many cells, or it is refused."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

LARGEST = 1 << 30
"""Bytes of a csv file that was compressed: no table of a data set has more."""


class CsvFile(NamedTuple):
    """The header, the rows, and the line of the file on which each row begins; blank lines are no rows."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def places(self, path: object, needed: Sequence[str], fold: bool = False) -> list[int]:
        """Return where columns stand; raises InputError, naming one that is missing or there more than once.

        With `fold` the header may be in capitals.
        """
        header = [name.strip().lower() for name in self.header] if fold else self.header
        have = ", ".join(self.header[:12]) or "none"
        for name in needed:
            count = header.count(name)
            if count == 0:
                raise InputError(f"{path}: column {name!r} is missing (there are {have}); name a column so")
            if count > 1:
                raise InputError(f"{path}: {count} columns are called {name!r} (there are {have}); leave one of them")
        return [header.index(name) for name in needed]

    def select(self, path: object, needed: Sequence[str], fold: bool = False) -> Iterator[list[str]]:
        """Return the cells of some columns, row by row; raises as `places`."""
        places = self.places(path, needed, fold)
        return ([row[place] for place in places] for row in self.rows)


def read_csv(path: AnyPath, separators: str = ",", fill: bool = False) -> CsvFile:
    """Read a csv file in UTF-8, also .gz, separated by that one of `separators` which its header has most of.

    With `fill` a row may lack its last cells: they are empty. Raises InputError, naming the line, for one that has more
    or fewer cells than the header, for quotes that do not end, and for what is no text; OSError if it cannot be read.
    """
    text = _text(path)
    first_line = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(separators, key=first_line.count), strict=True)
    header: list[str] | None = None
    rows, lines, line = [], [], 1
    try:
        for cells in reader:
            if cells and header is None:
                header = cells
            elif cells:
                rows.append(_row(path, line, cells, len(header), fill))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: line {line} is no row of a readable csv file ({error}); write it again") from error
    if header is None:
        raise InputError(f"{path}: the file is empty; the first line names the columns")
    return CsvFile(header, rows, lines)


def _text(path: AnyPath) -> str:
    try:
        data = read_bytes(path, TABLE_BYTES)
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise InputError(f"{path}: is more than {LARGEST >> 30} GiB of text; unpack it, or take another file")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save it in UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}: line {line} has a NUL character; write the file again")
    return text


def _row(path: AnyPath, line: int, cells: list[str], columns: int, fill: bool) -> list[str]:
    if len(cells) > columns or (len(cells) < columns and not fill):
        more, way_out = "fewer", "end it with separators"
        if len(cells) > columns:
            more, way_out = "more", "put a text that holds a separator in quotes"
        raise InputError(
            f"{path}: line {line} has {more} fields than the header ({len(cells)}, not {columns}); {way_out}"
        )
    return cells + [""] * (columns - len(cells))
