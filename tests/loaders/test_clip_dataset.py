import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.batch import collate
from egocurate.loaders.clip_dataset import ClipDataset, same_shard_first
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import crop_and_resize, random_view
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.frame_sampling import segments_random
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.read.index import ShardIndex

SMALL = {"frames": 3, "size": 32, "workers": 0}


def expected_frames(index, epoch, sample, purpose, anchor, config):
    """What the config says, step by step and by hand."""
    rng = generator(config.seed, epoch, purpose, anchor)
    picked = segments_random(index.row(sample).frame_count, config.frames, rng)
    frames = decode_clip(index.read_video(sample), picked, "decord")
    return crop_and_resize(
        frames, random_view(rng, *frames.shape[-2:], scale=config.scale, flip=config.flip), config.size
    )


def shown(clip):
    return clip.frames if clip.repeats is None else clip.frames[clip.repeats]


@pytest.mark.parametrize("crop", ["host", "device"])
def test_frames_that_are_shown_again_are_decoded_and_resized_once(index, crop):
    """Sixteen frames of clips that store fewer; the batch is as if each of the sixteen were read by itself."""
    config = StreamConfig(frames=16, size=24, negatives=False, crop=crop)
    samples = [0, 1, 33, 69]
    clips = [ClipDataset(index, config)[3, sample].anchor for sample in samples]
    assert all(len(clip.frames) <= index.frame_count[clip.sample] for clip in clips)
    assert any(len(clip.frames) < 16 for clip in clips)
    batch = collate(clips, None, index.num_verbs, index.num_nouns)
    assert batch.frames.shape[:2] == (4, 16)
    for frames, sample in zip(batch.frames, samples, strict=True):
        rng = generator(config.seed, 3, Purpose.VIEW, sample)
        picked = segments_random(int(index.frame_count[sample]), 16, rng)
        expected = decode_clip(index.read_video(sample), picked)
        if crop == "host":
            view = random_view(rng, *expected.shape[-2:], scale=config.scale, flip=config.flip)
            expected = crop_and_resize(expected, view, config.size)
        assert torch.equal(frames[..., : expected.shape[2], : expected.shape[3]], expected)


def test_an_item_is_what_its_generators_say(index):
    config = StreamConfig(**SMALL, seed=4)
    dataset = ClipDataset(index, config)
    assert len(dataset) == len(index)
    for epoch, sample in [(0, 0), (1, 0), (7, 33), (7, 69)]:
        item = dataset[epoch, sample]
        row = index.row(sample)
        assert item.anchor.sample == sample and item.anchor.text == row.text and item.bad == []
        assert torch.equal(shown(item.anchor), expected_frames(index, epoch, sample, Purpose.VIEW, sample, config))
        if not len(row.negatives):
            assert item.negative is None
            continue
        assert item.negative.sample in row.negatives
        expected = expected_frames(index, epoch, item.negative.sample, Purpose.NEGATIVE_VIEW, sample, config)
        assert torch.equal(shown(item.negative), expected)


def test_every_negative_has_its_turn(index):
    dataset = ClipDataset(index, StreamConfig(**SMALL))
    drawn = [dataset[epoch, 2].negative.sample for epoch in range(60)]
    counts = {sample: drawn.count(sample) for sample in index.negatives(2).tolist()}
    assert sum(counts.values()) == 60 and min(counts.values()) > 8


def test_negatives_of_another_shard_are_a_last_resort():
    shard = np.array([0, 0, 1, 1, 2])
    assert same_shard_first(np.array([4, 1, 2]), shard, 0).tolist() == [1]
    assert same_shard_first(np.array([4, 2]), shard, 0).tolist() == [4, 2]
    assert same_shard_first(np.array([], dtype=np.int64), shard, 0).tolist() == []


def test_a_bad_anchor_is_named_and_replaced_by_rule(broken, shards):
    dataset = ClipDataset(ShardIndex.open(broken([5])), StreamConfig(**SMALL))
    sound = ClipDataset(ShardIndex.open(shards), StreamConfig(**SMALL))
    replacements = set()
    for epoch in range(8):
        item = dataset[epoch, 5]
        (bad,) = {bad.sample: bad for bad in item.bad}.values()
        assert bad.sample == 5 and bad.key == dataset.index.key(5)
        assert "egoclip-000000.tar" in str(bad) and "not those that were written" in str(bad)
        replacement = item.anchor.sample
        replacements.add(replacement)
        if 5 not in dataset.index.negatives(replacement):
            own = sound[epoch, replacement]
            assert torch.equal(item.anchor.frames, own.anchor.frames)
            assert (item.negative is None) == (own.negative is None)
    assert 5 not in replacements and len(replacements) > 3


def test_a_bad_negative_gives_way_to_the_next(broken):
    folder = broken([0, 1])
    index = ShardIndex.open(folder)
    assert index.negatives(3).tolist() == [0, 1, 2]
    dataset = ClipDataset(index, StreamConfig(**SMALL))
    items = [dataset[epoch, 3] for epoch in range(10)]
    assert {item.negative.sample for item in items} == {2}
    assert {bad.sample for item in items for bad in item.bad} == {0, 1}


def test_an_item_gives_up_after_max_bad_replacements(broken):
    folder = broken(range(70))
    dataset = ClipDataset(ShardIndex.open(folder), StreamConfig(**SMALL, max_bad=4))
    item = dataset[0, 7]
    assert item.anchor is None and item.negative is None
    assert len(item.bad) == 5 and item.bad[0].sample == 7
    batch, bad = dataset.collate([item])
    assert batch is None and bad == item.bad


def test_damage_is_told_whatever_the_decoder(broken):
    index = ShardIndex.open(broken([5]))
    for decoder in ("pyav", "decord"):
        item = ClipDataset(index, StreamConfig(**SMALL, decoder=decoder))[0, 5]
        assert item.bad[0].sample == 5


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"frames": 0}, "frames 0"),
        ({"workers": -2}, "workers -2"),
        ({"scale": (0.6, 0.5)}, "scale"),
        ({"scale": (0.0, 1.0)}, "scale"),
        ({"pick": "best"}, "'best'"),
        ({"decoder": "cv2"}, "'cv2'"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, named):
    with pytest.raises(InputError, match=named):
        StreamConfig(**wrong)


def test_fixture_has_what_the_tests_need(index):
    assert len(np.unique(index.shard)) >= 6
    assert any(len(index.negatives(i)) == 0 for i in range(len(index)))
    assert len({decode_clip(index.read_video(i), np.array([0])).shape for i in range(len(index))}) >= 3


def test_raw_texts_keep_their_marks_and_change_nothing_else(index):
    normalized, raw = (ClipDataset(index, StreamConfig(**SMALL, text=form)) for form in ("normalized", "raw"))
    (batch, _), (marked, _) = (each.collate([each[0, sample] for sample in (0, 33)]) for each in (normalized, raw))
    rows = [index.row(int(sample)) for sample in batch.sample]
    assert batch.texts == [row.text for row in rows]
    assert marked.texts == [row.clip_text for row in rows] and marked.texts[0] == "#C C does thing 0."
    for name in ("frames", "sample", "verbs", "nouns", "valid"):
        assert torch.equal(getattr(batch, name), getattr(marked, name))
    with pytest.raises(InputError, match="text 'marked' is neither normalized nor raw"):
        StreamConfig(text="marked")
