import json
import sys

import pytest

from benchmarks.process_tree import run_measured
from benchmarks.record import figure, merge_record, write_record


def test_a_record_says_when_where_and_what(tmp_path, capsys):
    path = write_record("speed", [figure("reading", 1.23456, "s", "<= 2"), figure("rows", 10, "rows")], tmp_path)
    record = json.loads(path.read_text())
    assert path == tmp_path / "speed.json"
    assert set(record) == {"date", "machine", "figures"}
    assert record["figures"][0] == {"what": "reading", "value": 1.235, "unit": "s", "target": "<= 2"}
    assert record["figures"][1] == {"what": "rows", "value": 10.0, "unit": "rows"}
    assert "(<= 2)" in capsys.readouterr().out


def test_new_figures_stand_in_place_of_old_ones_beside_the_others(tmp_path):
    write_record("speed", [figure("reading", 1, "s"), figure("rows", 10, "rows")], tmp_path)
    merge_record("speed", [figure("reading", 2, "s"), figure("writing", 3, "s")], tmp_path)
    found = {row["what"]: row["value"] for row in json.loads((tmp_path / "speed.json").read_text())["figures"]}
    assert found == {"rows": 10.0, "reading": 2.0, "writing": 3.0}


def test_memory_and_time_of_children_count():
    child = "data = bytearray(60_000_000); data[::4096] = b'x' * len(data[::4096]); sum(range(30_000_000))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('done')"
    usage = run_measured([sys.executable, "-c", parent])
    assert usage.output == "done\n"
    assert usage.peak_bytes > 60_000_000
    assert usage.cpu_sec > 0


def test_a_command_that_fails_raises():
    with pytest.raises(Exception, match="exit status 3"):
        run_measured([sys.executable, "-c", "raise SystemExit(3)"])
