"""Several captions of a clip from its table through shards into batches."""

import json
import shutil
from itertools import islice

import pyarrow as pa
import pytest
import torch

from egocurate.captions import CAPTION_TYPES
from egocurate.errors import InputError
from egocurate.loaders.caption_draw import draw_caption
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from tests.loaders.conftest import NUM_NOUNS, NUM_VERBS, write_video
from tests.shards.forge import forge_index, with_column

SHOWN = {"frames": 2, "size": 16, "workers": 0, "seed": 5}
BATCH = 4


def captions_of(row):
    """The clip's own text, one rephrased for each second clip, and two by a narrator with tags of their own."""
    number = row["clip_idx"]
    captions = [(row["clip_text"], row["text"], 0, 1.0, row["tag_verb"], row["tag_noun"])]
    if number % 2:
        captions.append((f"Does {number}", f"does {number}", 1, 2.0, row["tag_verb"], []))
    for n in range(2):
        verbs = [(number + n + 1) % NUM_VERBS]
        captions.append((f"#C C model {n} says {number}", f"model {n} says {number}", 2, 0.5, verbs, [n]))
    return dict(zip(CAPTION_TYPES, map(list, zip(*captions, strict=True)), strict=True))


def job_of(clips, folder, out):
    videos = {"video0": VideoFile(folder / "video0.mp4")}
    return ShardJob(clips, videos, out, profile("small"), num_verbs=NUM_VERBS, num_nouns=NUM_NOUNS, clips_per_shard=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    write_video(folder / "video0.mp4", 96, 64, 0)
    return folder


@pytest.fixture(scope="module")
def clips(clip_table):
    rows = clip_table.slice(0, 12).to_pylist()
    schema = pa.schema([*clip_table.schema, *CAPTION_TYPES.items()])
    return pa.Table.from_pylist([row | captions_of(row) for row in rows], schema=schema)


@pytest.fixture(scope="module")
def captioned(folder, clips):
    write_shards(job_of(clips, folder, folder / "shards"))
    return folder / "shards"


def shown(folder, batches=3, **settings):
    """(sample, text, verbs, nouns) of every row of the first batches of a stream."""
    rows = []
    for batch in islice(stream(folder, batch_size=BATCH, **SHOWN | settings), batches):
        classes = [[row.nonzero()[:, 0].tolist() for row in mask] for mask in (batch.verbs, batch.nouns)]
        rows += zip(batch.sample.tolist(), batch.texts, *classes, strict=True)
    return rows


def texts_of(batches):
    """The text of each sample."""
    return {sample: text for batch in batches for sample, text in zip(batch.sample.tolist(), batch.texts, strict=True)}


def test_the_index_and_the_json_members_hold_all_and_the_video_is_there_once(captioned, clips):
    assert json.loads((captioned / "manifest.json").read_text())["captions"] is True
    index = ShardIndex.open(captioned)
    rows = {row["key"]: row for row in clips.to_pylist()}
    for sample in range(len(index)):
        row, member = rows[index.key(sample)], json.loads(index.read_json(sample))
        found = index.captions.of(sample)
        assert [one.clip_text for one in found] == row["captions"] == member["captions"]
        assert [one.text for one in found] == row["caption_texts"] and "caption_texts" not in member
        assert [one.tag_verb.tolist() for one in found] == row["caption_verbs"] == member["caption_verbs"]
        assert [one.tag_noun.tolist() for one in found] == row["caption_nouns"] == member["caption_nouns"]
        assert [one.weight for one in found] == row["caption_weights"] and "caption_weights" not in member
        assert member["caption_kinds"] == row["caption_kinds"] and member["clip_text"] == row["captions"][0]
        assert len(index.spans(sample)) == 2
    assert verify(captioned) == []


def test_first_shows_what_a_folder_with_one_caption_shows(captioned, clips, folder, tmp_path):
    write_shards(job_of(clips.drop_columns(list(CAPTION_TYPES)), folder, tmp_path / "one"))
    assert "captions" not in json.loads((tmp_path / "one" / "manifest.json").read_text())
    one = shown(tmp_path / "one")
    assert shown(captioned) == one
    assert shown(tmp_path / "one", captions="draw") == one


@pytest.mark.parametrize("text", ["normalized", "raw"])
def test_a_drawn_caption_brings_its_own_tags_to_anchors_and_negatives(captioned, text):
    index = ShardIndex.open(captioned)
    rows = shown(captioned, captions="draw", text=text)
    assert len(rows) == 3 * 2 * BATCH
    for sample, said, verbs, nouns in rows:
        place = draw_caption(index.captions, sample, "draw", generator(SHOWN["seed"], 0, Purpose.CAPTION, sample))
        caption = index.captions.caption(sample, place)
        assert (said, verbs, nouns) == (
            caption.text_as(text),
            sorted(caption.tag_verb.tolist()),
            sorted(caption.tag_noun.tolist()),
        )
    assert len({said for _, said, _, _ in rows}) > len({sample for sample, *_ in rows}) / 2
    assert any("model" in said for _, said, _, _ in rows)


def test_of_a_kind_only_its_captions_are_shown_or_the_first(captioned):
    for sample, said, *_ in shown(captioned, captions="rephrased"):
        number = ShardIndex.open(captioned).row(sample).clip_idx
        assert said == (f"does {number}" if number % 2 else f"does thing {number}")
    assert all("model" in said for _, said, *_ in shown(captioned, captions="narrator"))


def test_the_draw_is_the_same_for_any_ranks_and_workers_and_changes_by_epoch(captioned):
    whole = shown(captioned, captions="draw", negatives=False)
    parts = [shown(captioned, captions="draw", negatives=False, rank=rank, world=2) for rank in range(2)]
    again = [row for step in range(3) for part in parts for row in part[2 * step : 2 * step + 2]]
    assert again == whole
    assert shown(captioned, captions="draw", negatives=False, workers=1) == whole


def test_a_later_epoch_draws_others_and_a_resumed_one_the_same(captioned):
    data = stream(captioned, batch_size=BATCH, **SHOWN, captions="draw", negatives=False)
    first, second = (
        {k: v for b in data.epoch(n) for k, v in zip(b.sample.tolist(), b.texts, strict=True)} for n in (0, 1)
    )
    assert first.keys() == second.keys() and first != second
    resumed = stream(captioned, batch_size=BATCH, **SHOWN, captions="draw", negatives=False)
    data = stream(captioned, batch_size=BATCH, **SHOWN, captions="draw", negatives=False)
    batches = iter(data)
    next(batches)
    state = data.state_dict()
    expected = next(batches)
    resumed.load_state_dict(state)
    found = next(iter(resumed))
    assert (found.texts, found.sample.tolist()) == (expected.texts, expected.sample.tolist())
    assert torch.equal(found.verbs, expected.verbs)


def test_verify_names_captions_that_the_index_has_otherwise(captioned, tmp_path):
    shutil.copytree(captioned, tmp_path / "S")
    forge_index(
        tmp_path / "S", with_column("captions", lambda lists: [[one[0], *["else"] * (len(one) - 1)] for one in lists])
    )
    problems = verify(tmp_path / "S", decode=0)
    assert {one.what for one in problems} == {"the index has another captions than its json member"}
    assert len(problems) == 12


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("caption_kinds", lambda row: [9, *row[1:]]),
        ("caption_weights", lambda row: [0.0, *row[1:]]),
        ("caption_weights", lambda row: row[1:]),
        ("caption_verbs", lambda row: [[NUM_VERBS], *row[1:]]),
        ("caption_nouns", lambda row: [[-1], *row[1:]]),
        ("captions", lambda row: row[:1]),
        ("captions", lambda row: [None, *row[1:]]),
    ],
)
def test_an_index_with_captions_that_cannot_be_is_refused(captioned, tmp_path, name, first):
    shutil.copytree(captioned, tmp_path / "S")
    forge_index(tmp_path / "S", with_column(name, lambda lists: [first(lists[0]), *lists[1:]]))
    with pytest.raises(InputError, match=r"index\.parquet"):
        ShardIndex.open(tmp_path / "S")


def test_an_index_without_a_column_of_captions_is_refused(captioned, tmp_path):
    shutil.copytree(captioned, tmp_path / "S")
    forge_index(tmp_path / "S", lambda table: table.drop_columns(["caption_nouns"]))
    with pytest.raises(InputError, match="caption_nouns"):
        ShardIndex.open(tmp_path / "S")


def test_a_table_whose_captions_are_none_is_not_cut(clips, folder, tmp_path):
    kinds = [[7] * len(row) for row in clips["caption_kinds"].to_pylist()]
    place = clips.schema.get_field_index("caption_kinds")
    wrong = clips.set_column(place, clips.field(place), pa.array(kinds, clips.field(place).type))
    with pytest.raises(InputError, match="row 1: caption_kinds has a number"):
        write_shards(job_of(wrong, folder, tmp_path / "S"))


def test_shards_with_one_caption_take_no_clips_with_several(clips, folder, tmp_path):
    write_shards(job_of(clips.drop_columns(list(CAPTION_TYPES)), folder, tmp_path / "S"))
    with pytest.raises(InputError, match=r"what differs: captions \(nothing there"):
        write_shards(job_of(clips, folder, tmp_path / "S"))


def test_a_choice_that_is_none_is_refused(captioned):
    with pytest.raises(InputError, match="captions 'all' is none of first, draw, human"):
        stream(captioned, batch_size=BATCH, **SHOWN, captions="all")


def test_each_folder_of_a_mixture_shows_the_captions_of_its_own_choice(captioned):
    mixed = {"weights": [1, 1], "folder_captions": ("narrator", "first")}
    data = stream([captioned, captioned], batch_size=BATCH, **SHOWN | mixed)
    kinds = {source: set() for source in range(2)}
    for batch in islice(data, 3):
        for source, text in zip(batch.source.tolist(), batch.texts, strict=True):
            kinds[source].add("model" in text)
    assert kinds == {0: {True}, 1: {False}}
    with pytest.raises(InputError, match=r"data\.folder_captions has 3 values for 2 folders"):
        stream([captioned, captioned], batch_size=BATCH, folder_captions=("first",) * 3, **SHOWN)
