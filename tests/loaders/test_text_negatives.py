"""Text negatives: drawn for each clip of a batch, never shown as its text."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

from egocurate.captions import CAPTION_TYPES
from egocurate.errors import InputError
from egocurate.loaders.caption_draw import draw_caption, draw_swaps
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.check.verify import verify
from egocurate.shards.read.caption_columns import CaptionColumns
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import write_shards
from egocurate.text_choices import CAPTION_KINDS
from tests.loaders.conftest import write_video
from tests.loaders.test_captions import BATCH, SHOWN, job_of

SWAPS = 5


def swaps_of(row):
    """The clip's text, one by a model, then swaps; every fourth clip has one swap alone."""
    number = row["clip_idx"]
    own = [(row["clip_text"], row["text"], 0, 1.0), (f"Says {number}", f"says {number}", 1, 1.0)]
    count = 1 if number % 4 == 0 else SWAPS
    wrong = [(f"#C C wrong {n} of {number}", f"wrong {n} of {number}", 4 + n % 2, 1.0) for n in range(count)]
    captions = [(*one, row["tag_verb"], row["tag_noun"]) for one in own + wrong]
    return dict(zip(CAPTION_TYPES, map(list, zip(*captions, strict=True)), strict=True))


@pytest.fixture(scope="module")
def folder(clip_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("swaps")
    write_video(folder / "video0.mp4", 96, 64, 0)
    schema = pa.schema([*clip_table.schema, *CAPTION_TYPES.items()])
    clips = pa.Table.from_pylist([row | swaps_of(row) for row in clip_table.slice(0, 12).to_pylist()], schema=schema)
    write_shards(job_of(clips, folder, folder / "shards"))
    return folder / "shards"


def shown(folder, batches=3, **settings):
    """(sample, text, text negatives) of every row of the first batches of a stream."""
    rows = []
    for batch in islice(stream(folder, batch_size=BATCH, **SHOWN | settings), batches):
        wrong = batch.text_negatives or [[]] * len(batch)
        rows += zip(batch.sample.tolist(), batch.texts, map(tuple, wrong), strict=True)
    return rows


def test_a_batch_brings_texts_that_are_wrong_of_its_clips(folder):
    index = ShardIndex.open(folder)
    assert verify(folder) == []
    rows = shown(folder, text_negatives=3)
    assert len(rows) == 3 * 2 * BATCH
    for sample, text, wrong in rows:
        number = index.row(sample).clip_idx
        assert text == index.row(sample).text
        assert len(set(wrong)) == (1 if number % 4 == 0 else 3)
        assert set(wrong) <= {f"wrong {n} of {number}" for n in range(SWAPS)}
    raw = shown(folder, text_negatives=9, text="raw")
    assert all(one.startswith("#C C wrong") for *_, wrong in raw for one in wrong)
    assert max(len(wrong) for *_, wrong in raw) == SWAPS


def test_without_asking_there_are_none(folder):
    batch = next(iter(stream(folder, batch_size=BATCH, **SHOWN)))
    assert batch.text_negatives is None and "text_negatives" not in repr(batch)
    assert "text_negatives=str[8, ...]" in repr(next(iter(stream(folder, batch_size=BATCH, **SHOWN, text_negatives=1))))


def test_they_are_the_same_for_any_ranks_and_workers_and_change_by_epoch(folder):
    settings = {"text_negatives": 2, "negatives": False}
    whole = shown(folder, **settings)
    parts = [shown(folder, **settings, rank=rank, world=2) for rank in range(2)]
    assert [row for step in range(3) for part in parts for row in part[2 * step : 2 * step + 2]] == whole
    assert shown(folder, **settings, workers=1) == whole
    data = stream(folder, batch_size=BATCH, **SHOWN, **settings)
    epochs = [{s: w for b in data for s, w in zip(b.sample.tolist(), b.text_negatives, strict=True)} for _ in range(2)]
    assert epochs[0].keys() == epochs[1].keys() and epochs[0] != epochs[1]


@pytest.mark.parametrize("choice", ["first", "draw", *CAPTION_KINDS])
def test_no_clip_is_shown_with_one(folder, choice):
    assert not any("wrong" in text for _, text, _ in shown(folder, captions=choice))


def test_a_swap_is_never_drawn_as_a_caption():
    kinds, weights = np.array([0, 4, 5, 1], np.int8), np.array([1.0, 100.0, 100.0, 1.0], np.float32)
    columns = CaptionColumns(np.array([0, 4]), kinds, weights, None, None, None, None)
    drawn = {draw_caption(columns, 0, "draw", generator(0, epoch, Purpose.CAPTION)) for epoch in range(100)}
    assert drawn == {0, 3}
    assert draw_caption(columns, 0, "narrator", generator(0, 0, Purpose.CAPTION)) == 0
    assert columns.swaps(0).tolist() == [1, 2]
    counts = np.bincount(
        [draw_swaps(columns, 0, 1, generator(0, epoch, Purpose.TEXT_NEGATIVES))[0] for epoch in range(400)]
    )
    assert counts[1] == pytest.approx(200, abs=40) and counts[1] + counts[2] == 400


def test_folders_without_any_are_refused(folder, captionless):
    with pytest.raises(InputError, match=r"text_negatives 2: no clip of .* has any"):
        stream(captionless, batch_size=BATCH, **SHOWN, text_negatives=2)
    mixed = stream([captionless, folder], batch_size=BATCH, **SHOWN, text_negatives=2)
    batch = next(iter(mixed))
    assert {len(wrong) for wrong in batch.text_negatives} <= {0, 1, 2}


@pytest.fixture(scope="module")
def captionless(clip_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    write_video(folder / "video0.mp4", 96, 64, 0)
    write_shards(job_of(clip_table.slice(0, 12), folder, folder / "shards"))
    return folder / "shards"
