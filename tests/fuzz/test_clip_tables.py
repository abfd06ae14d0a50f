"""What the reader of clip tables makes of broken files: the published egoclip.csv, and egoclip.parquet."""

import csv
import io
import json
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.clip_table import CLIP_ID, CLIP_SCHEMA, CSV_COLUMNS, PUBLISHED_TYPES, clip_key
from egocurate.curation.clips.read_clips import complete_clips, read_clips
from egocurate.curation.clips.write_csv import write_csv
from egocurate.curation.config import EgoClipConfig
from tests.fuzz.broken import broken_bytes
from tests.fuzz.broken_tables import broken_csv, broken_table, csv_bytes, parquet_bytes, read_back, same_values
from tests.fuzz.harness import Target

A, B = "0d2a6a06-9c8d-4f5f-9a7c-000000000001", "grp-0d2a6a06-9c8d-4f5f-9a7c-000000000002"
ROWS = [
    [0, A, 60.5, "narration_pass_1", 3, 4.0, 3.25, 4.75, "#C C takes a cup", [93], [2, 115]],
    [1, A, 60.5, "narration_pass_1", 4, 9.0, 8.25, 9.75, "#C C washes the cup é", [4, 12], []],
    [2, A, 60.5, "narration_pass_2", 0, 30.5, 29.0, 31.0, '#C C says "hello"', [], [7]],
    [3, B, 1800.0, "narration_pass_1", 0, 2.0, 0.0, 3.0, "#O a man X walks", [1], [0]],
]


def table() -> pa.Table:
    columns = dict(zip(CSV_COLUMNS, zip(*ROWS, strict=True), strict=True))
    published = pa.table({name: pa.array(columns[name], kind) for name, kind in PUBLISHED_TYPES.items()})
    windows = {"window_start": published["clip_start"], "window_end": published["clip_end"]}
    for name, column in windows.items():
        published = published.append_column(name, column)
    return complete_clips(published, EgoClipConfig()).cast(CLIP_SCHEMA)


CSV_ROWS = [list(CSV_COLUMNS), *([str(cell) for cell in row] for row in ROWS)]


def is_sound(row: dict) -> bool:
    """Tell whether a clip says nothing that cannot be; docs/formats.md has the rules."""
    times = [row[name] for name in ("video_dur", "narration_time", "clip_start", "clip_end")]
    numbers = [row["clip_idx"], row["narration_ind"], *row["tag_verb"], *row["tag_noun"]]
    return (
        all(map(math.isfinite, times))
        and max(map(abs, times)) <= 1e7
        and all(type(number) is int and 0 <= number < 2**63 for number in numbers)
        and all(number < 2**31 for number in (*row["tag_verb"], *row["tag_noun"]))
        and bool(row["video_uid"] and row["narration_source"])
    )


def as_published(cells: dict[str, str]) -> dict:
    """Read a row of egoclip.csv: numbers and lists as JSON has them."""
    row: dict = {}
    for name, kind in PUBLISHED_TYPES.items():
        if pa.types.is_string(kind):
            row[name] = cells[name]
            continue
        text = cells[name].strip() if pa.types.is_list(kind) else cells[name]
        if not re.fullmatch(r"[-+0-9.eE\[\], \t]+", text):
            raise ValueError(text)
        if pa.types.is_floating(kind):
            row[name] = float(text)
            continue
        value = json.loads(text)
        row[name] = sorted(set(value)) if pa.types.is_list(kind) else value
    return row


def published_rows(data: bytes) -> list[dict] | None:
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    header, *rows = filter(None, csv.reader(text, delimiter="\t"))
    if any(len(row) != len(header) for row in rows) or any(header.count(name) != 1 for name in CSV_COLUMNS):
        return None
    clips = [as_published(dict(zip(header, row, strict=True))) for row in rows]
    clips.sort(key=lambda row: row["clip_idx"])
    return clips if all(map(is_sound, clips)) and are_distinct(clips) else None


def are_distinct(clips: list[dict]) -> bool:
    ids = {tuple(clip[name] for name in CLIP_ID) for clip in clips}
    return len(ids) == len({clip["clip_idx"] for clip in clips}) == len(clips)


def test_csv(tmp_path: Path, clean):
    path = tmp_path / "egoclip.csv"

    def read(data: bytes) -> list[dict]:
        path.write_bytes(data)
        return read_clips(path).select(CSV_COLUMNS).to_pylist()

    def right(data: bytes, found: list[dict]) -> bool:
        expected = published_rows(data)
        return expected is not None and same_values(expected, found)

    clean(Target("egoclip.csv", [CSV_ROWS], lambda rng, rows: broken_csv(rng, rows, "\t"), read, right), 300)


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "egoclip.csv"
    with path.open("wb") as file:
        write_csv(table(), file)
    assert read_clips(path).select(CSV_COLUMNS).to_pylist() == published_rows(path.read_bytes())
    path.write_bytes(csv_bytes(CSV_ROWS, "\t"))
    assert read_clips(path).to_pylist() == table().to_pylist()


def fits(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether a column's type holds nothing that the wanted one has not; numbers are not read out of texts."""
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return is_list and (pa.types.is_integer(kind.value_type) or pa.types.is_null(kind.value_type))
    if pa.types.is_string(wanted):
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if pa.types.is_integer(wanted):
        return pa.types.is_integer(kind)
    return kind == wanted or pa.types.is_float32(kind)


def sound_rows(whole: pa.Table) -> list[dict] | None:
    """The clips of a table as Arrow gives them, None where they are none."""
    if any(whole.column_names.count(name) != 1 for name in CLIP_SCHEMA.names):
        return None
    if not all(fits(whole.schema.field(name).type, CLIP_SCHEMA.field(name).type) for name in CLIP_SCHEMA.names):
        return None
    rows = whole.select(CLIP_SCHEMA.names).to_pylist()
    values = [value for row in rows for value in row.values()]
    values += [one for value in values if isinstance(value, list) for one in value]
    if None in values or not are_distinct(rows):
        return None
    for row in rows:
        if not is_sound(row) or row["key"] != clip_key(*(row[name] for name in CLIP_ID)):
            return None
        if not (abs(row["window_start"]) <= 1e7 and abs(row["window_end"]) <= 1e7):
            return None
        if any(number < 0 for number in row["negatives"]):
            return None
    return rows


def read_everything(path: Path) -> list[dict]:
    found = read_clips(path)
    assert found.schema.equals(CLIP_SCHEMA), "a column has another type than the format says"
    return found.to_pylist()


def test_parquet(tmp_path: Path, clean):
    path = tmp_path / "egoclip.parquet"

    def read(broken: pa.Table) -> list[dict]:
        path.write_bytes(parquet_bytes(broken))
        return read_everything(path)

    def right(broken: pa.Table, found: list[dict]) -> bool:
        expected = sound_rows(broken)
        return expected is not None and same_values(expected, found)

    clean(Target("egoclip.parquet", [table()], broken_table, read, right), 300)


def parquet_as_we_write_it() -> Target:
    """Any change of its bytes is found, or changes nothing."""
    return bytes_target(
        "bytes of our egoclip.parquet", [parquet_bytes(table(), write_page_checksum=True)], trusted=True
    )


def parquet_of_others() -> Target:
    plain = parquet_bytes(table(), compression="none", use_dictionary=False)
    return bytes_target("bytes of an egoclip.parquet", [plain, parquet_bytes(table())], trusted=False)


def bytes_target(name: str, whole: list[bytes], trusted: bool) -> Target:
    folder, written = TemporaryDirectory(), table().to_pylist()  # the folder goes with the process, which may crash

    def read(data: bytes) -> list[dict]:
        path = Path(folder.name) / "egoclip.parquet"
        path.write_bytes(data)
        return read_everything(path)

    def right(data: bytes, found: list[dict]) -> bool:
        expected = written if trusted else sound_rows(read_back(data))
        return expected is not None and same_values(expected, found)

    return Target(name, whole, broken_bytes, read, right)


@pytest.mark.parametrize("target", [parquet_as_we_write_it, parquet_of_others])
def test_bytes_of_parquet(clean, target):
    clean(target, 150)


def test_our_tables_have_checksums(tmp_path: Path):
    from egocurate.storage.parquet import write_parquet

    with (tmp_path / "a.parquet").open("wb") as file:
        write_parquet(table(), file)
    assert (tmp_path / "a.parquet").read_bytes() == parquet_bytes(table(), write_page_checksum=True)
    assert pq.read_table(tmp_path / "a.parquet").equals(table())
