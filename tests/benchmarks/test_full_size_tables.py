import json
import sys

import pytest

from benchmarks import full_size_tables
from benchmarks.full_size_root import write_full_size_root


@pytest.mark.parametrize("sizes", [(400, 800)])
def test_each_root_is_measured(tmp_path, monkeypatch, sizes):
    roots = [tmp_path / f"root{size}" for size in sizes]
    counts = [write_full_size_root(root, 4, size) for root, size in zip(roots, sizes, strict=True)]
    kept = {}
    monkeypatch.setattr(full_size_tables, "write_record", lambda name, figures: kept.update({name: figures}))
    given = ["--root", *map(str, roots), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["full_size_tables", *given])
    full_size_tables.main()
    figures = kept["full_size_tables"]
    assert [row["what"] for row in figures if row["what"].endswith(": clips")] == [
        f"{count:,} narrations: clips" for count in counts
    ]
    assert all(row["value"] > 0 for row in figures) and json.dumps(figures)
    assert not (tmp_path / "out").exists()
