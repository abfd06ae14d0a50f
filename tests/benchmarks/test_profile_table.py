import json

from benchmarks.profile_table import rows, tried, write_page
from benchmarks.profiles import DOCS
from benchmarks.record import RESULTS
from egocurate.shards.profiles import PROFILES


def test_the_page_is_that_of_the_records(tmp_path):
    write_page(tmp_path / "profiles.md")
    assert (tmp_path / "profiles.md").read_text() == (DOCS / "profiles.md").read_text()


def test_the_profiles_were_measured_as_they_are():
    figures = json.loads((RESULTS / "profiles.json").read_text())["figures"]
    measured = {figure["what"]: figure["profile"] for figure in figures if "profile" in figure}
    assert {row[0] for row in rows()} >= measured.keys() == PROFILES.keys()
    for name, settings in measured.items():
        assert settings | {"short_side": PROFILES[name].short_side} == PROFILES[name].settings()


def test_columns_in_which_nothing_is_said_are_left_out():
    point = {"what": "a: this", "value": 1.234, "ratio": 1.0, "verdict": "kept"}
    lines = tried([point, point | {"what": "a: that", "bytes": 12_345}, point | {"what": "b: other"}], "a")
    assert lines[1:] == [("this", "1.23", "1.00", "", "kept"), ("that", "1.23", "1.00", "12,345", "kept")]
    assert lines[0] == ("", "ms", "times as fast", "bytes", "")
