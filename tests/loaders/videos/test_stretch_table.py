"""Tables of stretches: what is read of them, and one line for what cannot be."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.loaders.videos.stretch_table import read_stretches

VIDEOS = {"kitchen": Path("kitchen.mp4"), "my.garage": Path("my.garage.mkv")}
HEADER = "video,start_sec,end_sec"


def read(path, text):
    path.write_text(text)
    return read_stretches(path, VIDEOS)


def test_rows_keep_their_order_and_their_names(tmp_path):
    text = f"name,{HEADER},more\npour,my.garage,1.5,2,x\n,kitchen.mp4,0,1e1,\nagain,my.garage.mkv,0.25,2,\n"
    table = read(tmp_path / "a.csv", text)
    assert table.videos == ["my.garage", "kitchen", "my.garage"]
    assert table.stretches == [(1.5, 2.0), (0.0, 10.0), (0.25, 2.0)]
    assert table.names == ["pour", "", "again"]
    assert table.rows_of_videos() == {"my.garage": [0, 2], "kitchen": [1]}
    rows = {"video": table.videos, "start_sec": [1.5, 0.0, 0.25], "end_sec": [2.0, 10.0, 2.0]}
    pq.write_table(pa.table(rows | {"name": ["pour", None, "again"]}), tmp_path / "a.parquet")
    assert read_stretches(tmp_path / "a.parquet", VIDEOS).digest == table.digest
    pq.write_table(pa.table(rows), tmp_path / "b.parquet")
    nameless = read_stretches(tmp_path / "b.parquet", VIDEOS)
    assert nameless.names == [""] * 3 and nameless.digest != table.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("uid,start_sec,end_sec\nkitchen,0,1\n", r"column 'video' is missing \(there are uid, start_sec, end_sec\)"),
        (f"{HEADER}\n", "no rows; each is a stretch with video, start_sec, end_sec"),
        (f"{HEADER}\nkitchen,0,1\nkitchen,3,2\n", "line 3: a stretch from 3 to 2 s; give 0 <= start_sec < end_sec"),
        (f"{HEADER}\nkitchen,-1,2\n", "line 2: a stretch from -1 to 2 s"),
        (f"{HEADER}\nkitchen,nan,2\n", "line 2: a stretch from nan to 2 s"),
        (f"{HEADER}\nkitchen,0,inf\n", "line 2: a stretch from 0 to inf s"),
        (f"{HEADER}\nkitchen,0:01,0:02\n", "line 2: '0:01' to '0:02' are no seconds"),
        (f"{HEADER}\n../kitchen,0,1\n", r"line 2: video '../kitchen' is not among the 2 of --videos, as 'kitchen'"),
        (f"{HEADER}\nkitchen,0\n", "line 2 has fewer fields"),
    ],
)
def test_a_table_that_is_wrong_is_one_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as raised:
        read(tmp_path / "a.csv", text)
    assert str(raised.value).startswith(f"{tmp_path}/a.csv")
    assert "\n" not in str(raised.value)


def test_a_parquet_file_of_other_types_is_one_line(tmp_path):
    pq.write_table(pa.table({"video": ["kitchen"], "start_sec": ["0"], "end_sec": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'start_sec' holds string, not double"):
        read_stretches(tmp_path / "a.parquet", VIDEOS)
    with pytest.raises(InputError, match="No such file"):
        read_stretches(tmp_path / "none.csv", VIDEOS)
