"""What the standard library reads in a csv file: the judge of our own readers."""

import csv
import io


def rows_of(data: bytes, delimiter: str) -> list[dict[str, str]] | None:
    """The rows of a csv file by its header, None where they are not a table: the standard library decides."""
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    table = [row for row in csv.reader(text, delimiter=delimiter, strict=True) if any(row)]
    header = [name.strip().lower() for name in table[0]]
    if any(len(row) > len(header) for row in table) or "\0" in "".join(map("".join, table)):
        return None
    return [dict(zip(header, row + [""] * (len(header) - len(row)), strict=True)) for row in table[1:]]


def separator(data: bytes) -> str:
    header = data.partition(b"\n")[0].decode("utf-8-sig", "replace")
    return max((",", "\t", ";"), key=header.count)
