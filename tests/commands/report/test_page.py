"""The page as a whole: it stands alone, tells what is in the folder, and lets no stranger's text become markup."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from egocurate.clip_table import clip_key
from egocurate.commands.report import write_comparison, write_report
from egocurate.commands.report.film_strip import STRIP_HEIGHT
from egocurate.errors import InputError
from egocurate.shards.read.index import ShardIndex
from tests.shards.forge import forge_index, with_column

EVIL = "<script>alert(1)</script>\"'>&</script><!--"
WITHOUT_SHARDS = shutil.ignore_patterns("*shards", "videos.parquet", "egomcq*")


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes, and the content of its scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_stands_alone_and_is_small(page):
    assert "://" not in page  # "http" may turn up in a picture
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert len(page) < 5_000_000


def test_the_page_lets_only_its_own_script_run(page):
    policy = next(one["content"] for one in Tags(page).named("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[\w+/=]+'$", policy)
    assert [one.get("type") for one in Tags(page).named("script")] == ["application/json", None]


def test_the_page_tells_what_is_in_the_folder(made, page):
    record = json.loads((made / "egoclip.run.json").read_text())["counts"]
    assert f"<b>{record['clips']:,}</b>clips" in page
    for name, lost in record["rejected"].items():
        assert name in page
        assert f"−{lost:,}" in page
    assert "12 between videos" in page and "4 inside one video" in page
    assert "Handling objects" in page


def test_every_link_of_the_page_leads_to_a_part_of_it(page):
    tags = Tags(page)
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [one["href"].removeprefix("#") for one in tags.named("a")]
    assert len(targets) > 5 and set(targets) <= set(ids)


def test_clips_have_a_strip_a_video_and_the_key_that_show_takes(made, page):
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    videos = re.findall(r'src="data:video/mp4;base64,([^"]+)"', page)
    keys = re.findall(r'key <code class="pick">([^<]+)</code>', page)
    assert len(pictures) == len(videos) == len(keys) > 15
    indexes = [ShardIndex.open(made / name) for name in ("shards", "egomcq-shards")]
    for key, video in zip(keys, videos, strict=True):
        stored = next(index.read_video(index.find(key)) for index in indexes if index.get(key) is not None)
        assert base64.b64decode(video) == stored
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert image.height == STRIP_HEIGHT
        assert np.asarray(image).std() > 10


def test_one_option_of_each_question_is_marked_as_the_answer(page):
    questions = page.count("Which clip is it?")
    assert questions == 4
    assert page.count("✓ answer") == page.count('class="clip answer"') == questions


def test_without_shards_there_are_no_pictures(made, tmp_path):
    bare = shutil.copytree(made, tmp_path / "bare", ignore=WITHOUT_SHARDS)
    page = write_report(bare).read_text()
    assert "<img" not in page and "<video" not in page
    assert "EgoMCQ" not in page
    assert "Hard negatives" in page


def test_without_the_record_and_the_rejected_rows_the_page_is_shorter(made, tmp_path):
    bare = shutil.copytree(made, tmp_path / "bare", ignore=WITHOUT_SHARDS)
    (bare / "egoclip.run.json").unlink()
    (bare / "rejected.parquet").unlink()
    page = write_report(bare).read_text()
    assert "Timelines:" not in page and "left out, by reason" not in page
    assert "Length of a clip" in page


def test_segments_have_no_window_strategy_and_no_time_of_narration(made, page, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    record = json.loads((copy / "egoclip.run.json").read_text())
    assert record["counts"]["segmented"] is False
    record["counts"]["segmented"] = True
    (copy / "egoclip.run.json").write_text(json.dumps(record))
    segments = write_report(copy).read_text()
    for words in ("window egoclip, alpha", "what each window strategy would cut", ", narrated at "):
        assert words in page and words not in segments
    for words in (
        "clips are the segments of the data",
        "the segments of some videos",
        "Start and end as the data give",
    ):
        assert words in segments and words not in page


def test_a_clip_that_does_not_decode_is_left_out_of_the_strips(made, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    index = ShardIndex.open(copy / "shards")
    for number in range(len(index)):
        sample = index.row(number)
        with sample.shard_path.open("r+b") as file:
            file.seek(sample.video_span[0])
            file.write(bytes(sample.video_span[1]))
    page = write_report(copy).read_text()
    assert "its negative" not in page
    assert "✓ answer" in page


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"egoclip\.parquet: not there"):
        write_report(tmp_path)


def replace_texts(path, name, value):
    table = pq.read_table(path)
    column = pa.array([value] * table.num_rows, table.schema.field(name).type)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)


def name_anew(path):
    """Number the clips of a table whose videos and passes are all called the same."""
    table = pq.read_table(path)
    rows = range(len(table))
    keys = [clip_key(EVIL, EVIL, row) for row in rows]
    for name, values in (("narration_ind", pa.array(rows)), ("key", pa.array(keys))):
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, path)


@pytest.fixture(scope="module")
def hostile(made, tmp_path_factory):
    """A copy of the folder in which every text, name and reason tries to become markup."""
    copy = shutil.copytree(made, tmp_path_factory.mktemp("hostile") / EVIL.replace("/", ""))
    for table, names in {
        "egoclip.parquet": ("clip_text", "text", "video_uid", "narration_source"),
        "rejected.parquet": ("clip_text", "video_uid", "narration_source"),
    }.items():
        for name in names:
            replace_texts(copy / table, name, EVIL)
    name_anew(copy / "egoclip.parquet")
    for shards in ("shards", "egomcq-shards"):
        for name in ("clip_text", "video_uid"):
            forge_index(copy / shards, with_column(name, lambda texts: [EVIL] * len(texts)))
    replace_texts(copy / "videos.parquet", "scenarios", [EVIL])
    for questions in [copy / "egomcq.json"]:
        asked = json.loads(questions.read_text())
        for one in asked.values():
            one["query"]["clip_text"] = EVIL
        questions.write_text(json.dumps(asked))
    for lexicon in (copy / "lexicon").glob("*.csv"):
        lines = lexicon.read_text().splitlines()
        quoted = EVIL.replace('"', '""')
        lexicon.write_text("\n".join([lines[0], *(f"\"{quoted}{i}\",['x{i}']" for i in range(len(lines) - 1))]))
    record = json.loads((copy / "egoclip.run.json").read_text())
    record["config"]["lexicon"] = EVIL
    (copy / "egoclip.run.json").write_text(json.dumps(record))
    return copy


def test_a_text_cannot_become_markup(hostile, page):
    tags = Tags(write_report(hostile).read_text())
    assert len(tags.named("script")) == 2
    known = {(name, attribute) for name, attributes in Tags(page).tags for attribute in (None, *attributes)}
    assert {(name, attribute) for name, attributes in tags.tags for attribute in (None, *attributes)} <= known
    rows = json.loads(tags.scripts[0])
    assert {row[0] for row in rows} == {EVIL}
    assert "alert" not in tags.scripts[1]


def test_a_text_cannot_become_markup_of_a_comparison(hostile, made):
    beside = Tags(write_comparison(hostile, made).read_text())
    harmless = Tags(write_comparison(made, made).read_text())
    assert beside.named("script") == []
    assert {name for name, _ in beside.tags} - {name for name, _ in harmless.tags} <= {"table", "tr", "th", "td"}


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_texts_and_charts_stand_out_in_light_and_in_dark(page):
    schemes = [dict(re.findall(r"(--\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", page, re.S)]
    assert len(schemes) == 2
    for colors in schemes:
        for ground in (colors["--card"], colors["--page"]):
            for text in ("--ink", "--soft", "--bar", "--lost", "--good"):
                assert contrast(colors[text], ground) >= 4.5, text  # WCAG 2.2, 1.4.3
            for drawn in ("--k1", "--k2", "--k3"):
                assert contrast(colors[drawn], ground) >= 3, drawn  # WCAG 2.2, 1.4.11
