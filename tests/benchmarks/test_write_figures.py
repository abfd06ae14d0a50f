"""The pages of figures are what the records say, and a figure typed by hand agrees with them."""

import json

import pytest

from benchmarks.record import RESULTS
from benchmarks.write_figures import BEGIN, END, HEADLINES, PAGE, README, figures_page, headline_table, write_figures


@pytest.fixture(scope="module")
def records():
    return {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}


def test_the_page_and_the_readme_are_those_of_the_records(records):
    assert PAGE.read_text() == figures_page(records)
    between = README.read_text().split(BEGIN)[1].split(END)[0]
    assert between.strip().splitlines() == headline_table(records)


def test_the_headlines_are_eight_lines_at_most(records):
    assert len(headline_table(records)) == len(HEADLINES) + 2 <= 8


def test_what_is_around_the_markers_stays(tmp_path):
    readme, page = tmp_path / "README.md", tmp_path / "figures.md"
    readme.write_text(f"before\n{BEGIN}\nSTALE\n{END}\nafter\n")
    write_figures(readme, page)
    once = readme.read_text()
    assert once.startswith("before\n") and once.endswith("\nafter\n") and "STALE" not in once
    write_figures(readme, page)
    assert readme.read_text() == once


def test_a_record_that_is_missing_is_left_out_of_the_page(records):
    page = figures_page({"cut": records["cut"]})
    assert "## Cutting" in page and "## Stored clips" not in page


def test_a_headline_without_its_figure_is_an_error(records):
    with pytest.raises(KeyError, match="ours over an ffmpeg process per clip"):
        headline_table(records | {"cut": {"figures": []}})


def test_figures_in_the_readmes_table_of_other_systems_are_measured(records):
    rows = {line.split("|")[1].strip(): line for line in README.read_text().splitlines() if line.startswith("| ")}
    peers = {row["what"]: row["value"] for row in records["peers"]["figures"]}
    streams = ("EgoVLP's 600 s chunks", "AVION's 15 s chunks", "webdataset", "MosaicML Streaming")
    for name in (*streams, "EgoCurate, train", "EgoCurate, fast"):
        assert f" {peers[name]:.0f} " in rows["4 frames, 2 workers, clips/s"].replace(",", " "), name
    negatives = {row["what"]: row["value"] for row in records["negatives"]["figures"]}
    row = rows["hard negatives of a clip"]
    assert f"{negatives['rows of its segment by a scan as EgoVLP does, strings as objects'] / 1000:.0f} ms" in row
    assert f"{negatives['negatives of a sample, ShardIndex.negatives']:.1f} µs" in row
