"""Tars of others beside shards that were cut: one order, whatever the number of ranks, with what each source says."""

import pyarrow as pa
import pytest

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import stream
from egocurate.shards.adopt.adopt import AdoptJob, adopt
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_tags import write_tags
from tests.shards.adopt.conftest import write_tar
from tests.shards.conftest import write_video

SETTINGS = {"preset": "egovlp", "size": 32, "workers": 0, "negatives": False}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two adopted folders of videos; the first has three tars, tags of one verb, and texts with marks."""
    root = tmp_path_factory.mktemp("sets")
    video = write_video(root / "v.mp4", pts=range(12), size=(64, 48)).read_bytes()
    folders = []
    for name, tars in (("a", 3), ("b", 1)):
        (root / f"{name}-tars").mkdir()
        for number in range(tars):
            samples = [(f"{i}", {"mp4": video, "txt": f"#C C {name}{number}{i}".encode()}) for i in range(4)]
            write_tar(root / f"{name}-tars" / f"{number}.tar", samples)
        adopt(AdoptJob([root / f"{name}-tars"], root / name, lambda text: text.removeprefix("#C C ")))
        index = ShardIndex.open(root / name)
        lists = pa.list_(pa.int32())
        tags = pa.table(
            {"tag_verb": pa.array([[0]] * len(index), lists), "tag_noun": pa.array([[]] * len(index), lists)}
        )
        write_tags(index, "one", tags, (1, 1), "lexicon", "tagger")
        folders.append(root / name)
    return folders


def epoch(folders, world=1, **settings):
    ranks = [stream(folders, batch_size=4, rank=rank, world=world, **SETTINGS | settings) for rank in range(world)]
    batches = zip(*(iter(rank.epoch(0)) for rank in ranks), strict=True)
    return [[text for batch in step for text in batch.texts] for step in batches], ranks


def test_the_order_is_the_same_for_every_number_of_ranks(sets):
    one, _ = epoch(sets[0])
    two, _ = epoch(sets[0], world=2)
    assert one == two and sorted(text for step in one for text in step) == sorted(
        f"a{number}{i}" for number in range(3) for i in range(4)
    )


def test_each_source_has_its_own_form_of_text_and_tags(sets):
    steps, (mixed,) = epoch(sets, weights=[1, 1], texts=("raw", "normalized"), tags=("one", "one"))
    texts = [text for step in steps for text in step]
    assert {text[:4] for text in texts if "a" in text} == {"#C C"} and any(text.startswith("b0") for text in texts)
    assert [index.num_verbs for index in mixed.indexes] == [1, 1]


def test_sources_of_different_classes_are_refused_with_the_way_out(sets):
    with pytest.raises(InputError, match="give them the classes of one with `curate tag`"):
        stream(sets, batch_size=4, rank=0, world=1, **SETTINGS, tags=("one", "own"))
    with pytest.raises(InputError, match=r"data\.texts has 3 values for 2 folders"):
        stream(sets, batch_size=4, rank=0, world=1, **SETTINGS, texts=("raw",) * 3)


def test_a_state_of_other_tags_is_refused(sets):
    _, (tagged,) = epoch(sets[0], tags=("one",))
    state = tagged.state_dict()
    other = stream(sets[0], batch_size=4, rank=0, world=1, **SETTINGS)
    with pytest.raises(InputError, match="the run's tags"):
        other.load_state_dict(state)
