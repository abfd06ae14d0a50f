"""Two folders side by side: the same charts next to each other, and the settings that differ."""

import re
import shutil

import pytest

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.report import write_comparison
from egocurate.commands.report.settings import differing, read_settings
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.progress import silent


@pytest.fixture(scope="module")
def other(tiny_root, tmp_path_factory):
    """A folder of the same root with other windows, without questions and shards."""
    out = tmp_path_factory.mktemp("beside") / "P"
    config = EgoClipConfig(window="adaptive", min_clip_seconds=0.1)
    run_egoclip(Ego4DSource(tiny_root), out, config, "auto", RunOptions(tables_only=True), silent)
    return out


def test_the_settings_that_differ_are_listed_with_both_values(made, other):
    rows = {name: (here, there) for name, here, there in differing(read_settings(made), read_settings(other))}
    assert rows["egoclip: window"] == ("egoclip", "adaptive")
    assert rows["egoclip: min clip seconds"] == ("0.0", "0.1")
    assert rows["shards"] == rows["egomcq"] == ("made", "not made")
    assert "egoclip: alpha" not in rows
    assert differing(read_settings(made), read_settings(made)) == []


def test_the_same_charts_stand_next_to_each_other(made, other):
    path = write_comparison(made, other)
    assert path == made / "report-beside-P.html"
    page = path.read_text()
    assert "<td>egoclip: window</td><td>egoclip</td><td>adaptive</td>" in page
    section = re.search(r"<h3>Length of a clip</h3>(.*?)</section>", page, re.S)[1]
    assert section.count("<svg") == 2
    assert re.findall("<h4>(.*?)</h4>", section) == ["O", "P"]
    first, second = (re.findall(r">(\d+\.\d\d to \d+\.\d\d) seconds", part) for part in section.split("</svg>")[:2])
    assert first == second and first
    answers = re.search(r"<h3>Answers of the inter questions</h3>(.*?)</section>", page, re.S)[1]
    assert answers.count("Nothing to draw.") == 1
    assert "://" not in page and "<script" not in page


def test_each_folder_says_how_the_clips_of_the_other_find_its_own(made, other):
    page = write_comparison(made, other).read_text()
    section = re.search(r"<h3>How the other&#39;s clips find these</h3>(.*?)</section>", page, re.S)[1]
    assert section.count("<svg") == 2
    assert re.findall(r"videos of both, a clip of (\w) meets ([\d.]+)%", section) == [("P", "100.0"), ("O", "100.0")]


def test_folders_of_one_name_are_told_apart_by_their_paths(made, other, tmp_path):
    same_name = shutil.copytree(other, tmp_path / made.name)
    assert f"<h1>{made} beside {same_name}</h1>" in write_comparison(made, same_name).read_text()
