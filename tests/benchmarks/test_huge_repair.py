import sys

import pytest

from benchmarks import huge_repair
from egocurate.shards.check.verify import verify


@pytest.mark.slow
def test_the_tars_are_real_and_repair_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    huge_repair.write_clips(tmp_path, 600)
    huge_repair.write_shards(tmp_path)
    assert verify(tmp_path / "shards", decode=0) == []
    kept = {}
    monkeypatch.setattr(huge_repair, "write_record", lambda name, figures: kept.update({name: figures}))
    monkeypatch.setattr(sys, "argv", ["huge_repair", "--rows", "600", "--scratch", str(tmp_path)])
    huge_repair.main()
    whole = [row["what"] for row in kept["huge_repair"]]
    assert len(whole) == 4 and all(name.startswith("600 clips: ") for name in whole)
