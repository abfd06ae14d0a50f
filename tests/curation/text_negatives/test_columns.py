"""Text negatives of the clips of a table."""

import pytest

from egocurate.captions import caption_fault
from egocurate.curation.clips.captions import own_captions, with_captions, without_swaps
from egocurate.curation.clips.egoclip import build_egoclip, write_egoclip
from egocurate.curation.clips.grow_egoclip import grow_egoclip
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.config import EgoClipConfig, TextNegativesConfig
from egocurate.curation.text_negatives.columns import with_text_negatives
from egocurate.errors import InputError
from egocurate.text_choices import CAPTION_KINDS, STORED_KINDS
from tests.curation.clips.test_segmented_egoclip import source_of

SAID = [
    ("a", 1.0, 2.0, "#C C opens the drawer", ["opens a drawer", "closes the fridge"], "train"),
    ("a", 3.0, 4.0, "#C C closes the fridge", [], "train"),
    ("a", 5.0, 6.0, "#C C takes a knife", [], "train"),
    ("b", 1.0, 2.0, "#C C cuts the onion", ["cuts an onion"], "train"),
    ("b", 3.0, 4.0, "#C C washes a plate", [], "train"),
    ("b", 5.0, 6.0, "#C C takes the onion", [], "train"),
    ("b", 7.0, 8.0, "#C C sits down slowly", [], "train"),
]
CONFIG = TextNegativesConfig(4)
FIRST_SWAP = len(CAPTION_KINDS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return build_egoclip(source_of(tmp_path_factory.mktemp("segments"), SAID), EgoClipConfig())


@pytest.fixture(scope="module")
def added(plain):
    return with_text_negatives(plain, CONFIG)


def swaps_of(table):
    """The swaps of each clip: kind, as written, normalized."""
    rows = table.select(["key", "captions", "caption_texts", "caption_kinds"]).to_pylist()
    return {
        row["key"]: [
            (STORED_KINDS[kind], said, text)
            for said, text, kind in zip(row["captions"], row["caption_texts"], row["caption_kinds"], strict=True)
            if kind >= FIRST_SWAP
        ]
        for row in rows
    }


def test_swaps_are_captions_of_kinds_of_their_own(plain, added):
    table = added.table
    assert caption_fault(table) is None
    assert without_swaps(table).equals(plain.table)
    for key, swaps in swaps_of(table).items():
        assert len(swaps) <= 4, key
        assert all(text == said.removeprefix("#C C ") for _, said, text in swaps)
    swaps = swaps_of(table)[table["key"][0].as_py()]
    assert [kind for kind, *_ in swaps[:2]] == ["verb_swap", "noun_swap"]
    assert all(kind == "verb_swap" or " opens the " in said for kind, said, _ in swaps)


def test_no_swap_says_what_another_caption_says(added):
    row = added.table.slice(0, 1).to_pylist()[0]
    own = [classes for classes, kind in zip(row["caption_verbs"], row["caption_kinds"], strict=True) if kind == 0]
    said = {label for classes in own for label in classes}
    for kind, verbs in zip(row["caption_kinds"], row["caption_verbs"], strict=True):
        assert STORED_KINDS[kind] != "verb_swap" or not said & set(verbs)


def test_classes_of_a_swap_are_those_of_its_words(added):
    lexicon = added.lexicon
    for row in added.table.to_pylist():
        for text, kind, verbs, nouns in zip(
            row["caption_texts"], row["caption_kinds"], row["caption_verbs"], row["caption_nouns"], strict=True
        ):
            if kind >= FIRST_SWAP:
                assert any(lexicon.verbs.labels[verb][:3] in text for verb in verbs), text
                assert all(lexicon.nouns.labels[noun] in text for noun in nouns), text


def test_the_seed_draws_others_and_a_table_without_spots_stays(plain, added):
    assert with_text_negatives(plain, CONFIG).table.equals(added.table)
    other = with_text_negatives(plain, TextNegativesConfig(4, seed=1))
    assert swaps_of(other.table) != swaps_of(added.table)
    fewer = swaps_of(with_text_negatives(plain, TextNegativesConfig(2)).table)
    assert fewer == {key: swaps[:2] for key, swaps in swaps_of(added.table).items()}


def test_clips_that_are_there_keep_theirs_when_a_table_grows(tmp_path):
    config, out = EgoClipConfig(), tmp_path / "O"
    first = with_text_negatives(build_egoclip(source_of(tmp_path, SAID[:3]), config, "wordnet"), CONFIG)
    write_egoclip(first, out)
    earlier = read_clips(out)
    grown = grow_egoclip(source_of(tmp_path, SAID), config, "wordnet", out, first.beta)
    assert not any(swaps_of(grown.table).values())
    whole = with_text_negatives(grown, CONFIG, earlier).table
    assert whole.slice(0, 3).equals(first.table)
    assert any(swaps_of(whole.slice(3)).values())


def test_a_caption_that_comes_later_is_said_and_no_swap(added):
    table = added.table
    key = table["key"][0].as_py()
    wrong = swaps_of(table)[key][0]
    said = own_captions(table.slice(0, 1))
    said = said.filter([text == wrong[1] for text in said["captions"].to_pylist()])
    human = said.set_column(3, "caption_kinds", [[0]]).cast(said.schema)
    changed = with_captions(table, own_captions(table), human)
    assert caption_fault(changed) is None
    assert wrong not in swaps_of(changed)[key]
    assert changed["captions"][0].as_py().count(wrong[1]) == 1
    is_swap = [kind >= FIRST_SWAP for kind in changed["caption_kinds"][0].as_py()]
    assert is_swap == sorted(is_swap)


def test_a_number_that_cannot_be_is_refused():
    for number in (-1, 101):
        with pytest.raises(InputError, match="--text-negatives"):
            TextNegativesConfig(number)
