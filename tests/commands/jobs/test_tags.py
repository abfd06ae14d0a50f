"""One lexicon over several sources, and shards that are tagged with it again, without being cut again."""

import io

import numpy as np
import pytest
from PIL import Image

from egocurate.commands.jobs.tags import run_lexicon, run_tag
from egocurate.errors import InputError
from egocurate.progress import silent
from egocurate.shards.adopt.adopt import AdoptJob, adopt
from egocurate.shards.read.index import ShardIndex
from tests.shards.adopt.conftest import write_tar

SMALL = io.BytesIO()
Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(SMALL, "JPEG")


@pytest.fixture
def sets(tmp_path):
    """Two adopted folders of pictures; both open a fridge, and each does something of its own."""
    folders = []
    for name, texts in (("a", ["opens the fridge", "cuts the onion"]), ("b", ["opens the fridge", "washes the plate"])):
        samples = [(str(i), {"jpg": SMALL.getvalue(), "txt": text.encode()}) for i, text in enumerate(texts)]
        tar = write_tar(tmp_path / f"{name}.tar", samples)
        adopt(AdoptJob([tar], tmp_path / name, str.lower))
        folders.append(tmp_path / name)
    return folders


def test_the_same_words_have_the_same_classes_in_all_sources(sets, tmp_path):
    made = run_lexicon(sets, tmp_path / "both", silent)
    assert made.summary["verbs"] == 3 and made.summary["nouns"] == 3
    for folder in sets:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        done = run_tag(folder, tmp_path / "both", "", silent)
        assert (done.summary["clips"], done.summary["with_verb"], done.summary["with_noun"]) == (2, 2, 2)
        assert {name: (folder / name).read_bytes() for name in before} == before
    one, other = (ShardIndex.open(folder, tags="both") for folder in sets)
    assert one.row(0).tag_verb.tolist() == other.row(0).tag_verb.tolist() != []
    assert one.row(1).tag_verb.tolist() != other.row(1).tag_verb.tolist()
    assert one.lexicon == other.lexicon != ""


def test_the_same_again_changes_nothing_and_the_order_of_sources_does_not_count(sets, tmp_path):
    run_lexicon(sets, tmp_path / "L", silent)
    run_tag(sets[0], tmp_path / "L", "x", silent)
    places = [*(tmp_path / "L").iterdir(), *sets[0].iterdir()]
    stamps = [path.stat().st_mtime_ns for path in places]
    assert run_lexicon(sets[::-1], tmp_path / "L", silent).unchanged
    assert run_tag(sets[0], tmp_path / "L", "x", silent).unchanged
    assert [path.stat().st_mtime_ns for path in places] == stamps


def test_tags_of_another_lexicon_are_not_overwritten(sets, tmp_path):
    run_lexicon(sets, tmp_path / "L", silent)
    run_lexicon(sets[:1], tmp_path / "M", silent)
    run_tag(sets[0], tmp_path / "L", "x", silent)
    with pytest.raises(InputError, match="of another lexicon: give these another --name"):
        run_tag(sets[0], tmp_path / "M", "x", silent)
    with pytest.raises(InputError, match="with other inputs"):
        run_lexicon(sets, tmp_path / "M", silent)


def test_a_source_that_has_grown_is_named_and_the_others_are_not(sets, tmp_path):
    run_lexicon(sets, tmp_path / "L", silent)
    tar = write_tar(tmp_path / "c.tar", [("0", {"txt": b"peels the carrot", "jpg": SMALL.getvalue()})])
    adopt(AdoptJob([tmp_path / "a.tar", tar], sets[0], str.lower))
    with pytest.raises(InputError, match=r"with other inputs: source a changed; name"):
        run_lexicon(sets, tmp_path / "L", silent)


def test_sources_of_one_name_are_told_apart(sets, tmp_path):
    inner = [folder / "shards" for folder in (tmp_path / "x", tmp_path / "y")]
    for folder, place in zip(sets, inner, strict=True):
        place.parent.mkdir()
        folder.rename(place)
    assert run_lexicon(inner, tmp_path / "L", silent).summary["verbs"] == 3
    assert run_lexicon(inner[::-1], tmp_path / "L", silent).unchanged
