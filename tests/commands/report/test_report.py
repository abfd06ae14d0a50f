import base64
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.report import write_report
from egocurate.commands.report.charts import bars, histogram, rank_curve, shares, whole_numbers
from egocurate.commands.report.clips import (
    classes,
    funnel,
    negative_pairs,
    pass_gaps,
    scenario_gaps,
    shared_with_negatives,
)
from egocurate.commands.report.film_strip import STRIP_HEIGHT, strip_jpeg
from egocurate.commands.report.questions import balance
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.sources.videos_table import write_video_facts
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.errors import InputError
from egocurate.progress import silent
from egocurate.questions import Question
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import read_frames


@pytest.fixture(scope="module")
def made(tiny_root, tmp_path_factory):
    """An output folder with tables, shards, questions and the facts of the videos."""
    out, source = tmp_path_factory.mktemp("report") / "O", Ego4DSource(tiny_root)
    options = RunOptions(shard_clips=64)
    run_egoclip(source, out, EgoClipConfig(), "auto", options, silent)
    run_egomcq(source, out, EgoMCQConfig(inter=12, intra=4), None, "auto", options, silent)
    write_video_facts(source.videos(), out)
    return out


@pytest.fixture(scope="module")
def page(made):
    return write_report(made).read_text()


def test_the_page_stands_alone_and_is_small(page):
    assert "://" not in page  # "http" may turn up in a picture
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert len(page) < 3_000_000


def test_the_page_tells_what_is_in_the_folder(made, page):
    record = json.loads((made / "egoclip.run.json").read_text())["counts"]
    assert f"{record['clips']:,}</b><span>clips" in page
    for name, lost in record["rejected"].items():
        assert name in page
        assert f"−{lost:,}" in page
    assert "12 questions between videos" in page
    assert "Handling objects" in page


def test_the_pictures_are_clips_and_the_answer_is_marked(page):
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    shown = page.count('class="option')
    assert shown >= 10 and shown % 5 == 0
    assert page.count("✓ answer") == shown // 5
    assert len(pictures) > shown
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert image.height == STRIP_HEIGHT
        assert np.asarray(image).std() > 10


def test_without_shards_there_are_no_pictures(made, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(made, bare, ignore=shutil.ignore_patterns("*shards", "videos.parquet", "egomcq*"))
    page = write_report(bare).read_text()
    assert "<img" not in page
    assert "EgoMCQ" not in page
    assert "Hard negatives" in page


def test_a_clip_that_does_not_decode_is_left_out_of_the_strips(made, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    index = ShardIndex.open(copy / "shards")
    for number in range(len(index)):
        sample = index.row(number)
        with sample.shard_path.open("r+b") as file:
            file.seek(sample.video_span[0])
            file.write(bytes(sample.video_span[1]))
    page = write_report(copy).read_text()
    assert "nearest negative</h2>" not in page
    assert "✓ answer" in page


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"egoclip\.parquet: not there"):
        write_report(tmp_path)


def test_a_text_cannot_become_markup(made, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy", ignore=shutil.ignore_patterns("*shards"))
    table = pq.read_table(copy / "egoclip.parquet")
    column = table.column_names.index("clip_text")
    texts = pa.array(["#C C <script>alert(1)</script>"] * table.num_rows)
    pq.write_table(table.set_column(column, "clip_text", texts), copy / "egoclip.parquet")
    page = write_report(copy).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_gaps_are_those_of_the_run(made):
    table, rejected = pq.read_table(made / "egoclip.parquet"), pq.read_table(made / "rejected.parquet")
    gaps, record = pass_gaps(table, rejected), json.loads((made / "egoclip.run.json").read_text())["counts"]["beta"]
    assert len(gaps) == record["passes"] - record["passes_without_gap"]
    assert gaps["beta"].mean() == pytest.approx(record["mean"])
    assert gaps["beta"].max() == pytest.approx(record["greatest"])


def test_scenarios_are_compared_by_mean_gap(tmp_path):
    gaps = pd.DataFrame({"video_uid": ["a", "a", "b"], "beta": [2.0, 4.0, 9.0]})
    pq.write_table(
        pa.table({"video_uid": ["a", "b"], "scenarios": [["Cooking"], ["Reading", "Cooking"]]}),
        tmp_path / "videos.parquet",
    )
    found = scenario_gaps(gaps, tmp_path)
    assert [(bar.label, bar.count) for bar in found] == [("Reading (1)", 9.0), ("Cooking (3)", 5.0)]
    assert scenario_gaps(gaps, tmp_path / "nowhere") == []


def test_the_funnel_lists_what_took_something():
    steps, idle = funnel({"narrations": 10, "bad_time": 10, "val_test": 6, "unsure": 5, "redacted": 5})
    assert [(step.name, step.left, step.lost) for step in steps] == [
        ("narrations", 10, 0),
        ("val_test", 6, 4),
        ("unsure", 5, 1),
    ]
    assert steps[1].share + steps[1].lost_share == pytest.approx(1)
    assert idle == ["bad_time", "redacted"]


def test_negatives_and_what_they_share_match_a_plain_loop(made):
    table = pq.read_table(made / "egoclip.parquet")
    anchors, negatives = negative_pairs(table, np.random.default_rng(0))
    rows = table.to_pylist()
    assert sorted(zip(anchors.tolist(), negatives.tolist(), strict=True)) == sorted(
        (row["clip_idx"], other) for row in rows for other in row["negatives"]
    )
    counted = {"same noun": 0, "same verb": 0, "both": 0, "neither": 0}
    for a, b in zip(anchors, negatives, strict=True):
        verb, noun = (set(rows[a][name]) & set(rows[b][name]) for name in ("tag_verb", "tag_noun"))
        counted["both" if verb and noun else "same verb" if verb else "same noun" if noun else "neither"] += 1
    assert {bar.label: bar.count for bar in shared_with_negatives(table, anchors, negatives)} == counted
    assert counted["both"] == 0


def test_classes_are_counted_and_the_tail_is_told(made):
    table, lexicon = pq.read_table(made / "egoclip.parquet"), load_lexicon(made / "lexicon")
    found = classes(table["tag_verb"], lexicon.verbs)
    assert sum(bar.count for bar in found.top) == sum(len(tags) for tags in table["tag_verb"].to_pylist())
    assert found.top[0].count == max(bar.count for bar in found.top)
    assert found.tail.startswith(f"{len(found.top)} of {len(lexicon.verbs)} classes occur")


def test_answer_slots_are_counted_by_type():
    asked = {str(i): Question("", (), answer=i % 4, type=1 + i % 2) for i in range(8)}
    kinds = balance(asked)
    assert [(kind.count, [bar.count for bar in kind.slots]) for kind in kinds] == [
        (4, [2, 0, 2, 0, 0]),
        (4, [0, 2, 0, 2, 0]),
    ]


def test_histograms_count_every_value():
    values = np.r_[np.random.default_rng(0).gamma(2.0, size=1000), 90.0]
    assert sum(bar.count for bar in histogram(values)) == 1001
    assert histogram(values)[-1].about.count("and more") == 1
    far = histogram(np.array([5.0, 5.5, 6.0]))
    assert far[0].label == "5" and far[0].count == 1
    assert sum(bar.count for bar in histogram(np.zeros(3))) == 3
    assert histogram(np.zeros(0)) == []


def test_charts_of_nothing_are_empty():
    assert bars([]) == [] and shares([("a", 0)]) == [] and whole_numbers(np.zeros(0, np.int64)) == []
    assert rank_curve([5, 3]) is None


def test_the_curve_falls_from_the_first_rank_to_the_last():
    drawn = rank_curve(np.arange(1, 200))
    points = np.array([point.split(",") for point in drawn.points.split()], float)
    assert (np.diff(points[:, 0]) > 0).all() and (np.diff(points[:, 1]) >= 0).all()
    assert [text for _, text in drawn.x_marks] == ["1", "10", "100"]


def test_a_strip_has_frames_in_order_and_one_size(made):
    index = ShardIndex.open(made / "shards")
    clips = [read_frames(index, number, np.arange(index.frame_count[number])) for number in range(6)]
    strips = [Image.open(io.BytesIO(strip_jpeg(clip))) for clip in clips]
    assert len({strip.size for strip in strips}) == 1
    assert strips[0].width > 4 * strips[0].height
