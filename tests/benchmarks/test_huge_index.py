import pytest

from benchmarks.huge_index import measure


@pytest.mark.slow
def test_every_step_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    figures = measure(tmp_path, 20_000)
    what = [row["what"] for row in figures]
    assert len(what) == len(set(what)) == 17 and all(name.startswith("20,000 clips: ") for name in what)
    assert all(row["value"] >= 0 for row in figures)
