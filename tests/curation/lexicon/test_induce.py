import zipfile
from concurrent.futures import ProcessPoolExecutor

import pytest

from egocurate.curation.lexicon import induce as dictionaries_module
from egocurate.curation.lexicon.induce import build_lexicon
from egocurate.curation.text import wordnet as wordnet_module
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import load_lexicon, write_lexicon
from egocurate.curation.text.wordnet import unpacked, wordnet
from egocurate.errors import InputError

TEXTS = [
    "#C C turns on the tap",
    "#C C switches on the light",
    "#C C turns on the television",
    "#C C turns off the tap",
    "#C C takes a cup from the shelf",
    "#C C picks up the knives",
    "#C C continues slicing the onions",
    "#C C puts down the chopping board",
    "#O a man X drives a car",
    "#O a woman drives the automobile",
    "#C C frobnicates the widget",
]


def groups(part):
    members = {}
    for form, classes in part.forms.items():
        members.setdefault(part.labels[classes[0]], set()).add(form)
    return members


def test_words_of_one_sense_share_a_class_and_labels_are_sorted():
    lexicon = build_lexicon(TEXTS)
    verbs, nouns = groups(lexicon.verbs), groups(lexicon.nouns)
    assert verbs["turn_on"] == {"turn on", "switch on"}
    assert verbs["turn_off"] == {"turn off"}
    assert {"take", "pick", "slice", "put", "drive", "frobnicate"} <= set(verbs)
    assert "continue" not in verbs
    assert {"car", "automobile"} in nouns.values()
    assert {"knife", "onion", "cup", "shelf"} <= set(nouns)
    for part in (lexicon.verbs, lexicon.nouns):
        assert part.labels == sorted(part.labels)


def test_the_dictionary_tags_its_own_texts_and_can_be_edited(tmp_path):
    lexicon = build_lexicon(TEXTS)
    write_lexicon(lexicon, tmp_path)
    again = load_lexicon(tmp_path)
    assert again == lexicon
    tags = tag_texts(TEXTS, again)
    assert all(verbs and nouns for verbs, nouns in tags)
    assert tags[0][0] == tags[1][0] == tags[2][0] != tags[3][0]
    car = again.nouns.forms["car"][0]
    assert car in tags[8][1] and car in tags[9][1]


def test_texts_without_a_verb_are_refused():
    with pytest.raises(InputError, match="no verb found in 2 narrations; give a taxonomy with --lexicon DIR"):
        build_lexicon(["", "#unsure"])


KITCHEN = [
    f"#C C {verb} the {noun}"
    for verbs, nouns in (
        (("washes", "rinses"), ("plate", "pan", "bowl", "carrot", "knife", "glass", "cup", "sponge")),
        (("cuts", "slices", "chops"), ("onion", "carrot", "potato", "bread", "cucumber", "tomato", "garlic", "leek")),
        (("takes", "picks up", "puts down"), ("plate", "onion", "bowl", "bread", "lid", "phone", "cup", "knife")),
        (("opens", "closes"), ("door", "drawer", "fridge", "cupboard", "cabinet", "jar", "box", "oven")),
        (("puts away", "places"), ("lid", "saucepan", "pan", "plate", "box", "teaspoon", "spoon", "cup")),
    )
    for verb in verbs
    for noun in nouns
]


def test_words_that_mean_and_are_used_alike_share_a_class():
    lexicon = build_lexicon(KITCHEN)
    verbs, nouns = groups(lexicon.verbs), groups(lexicon.nouns)
    assert {"wash", "rinse"} in verbs.values()
    assert {"cut", "slice", "chop"} in verbs.values()
    assert {"take", "pick"} in verbs.values()
    assert {"put", "place"} in verbs.values()
    assert verbs["open"] == {"open"} and verbs["close"] == {"close"}
    assert {"pan", "saucepan"} in nouns.values() and {"spoon", "teaspoon"} in nouns.values()
    assert nouns["onion"] == {"onion"} and nouns["knife"] == {"knife"}


INSTRUCTIONS = [
    f"Use your left hand to hold the {held}, use the {tool} in your right hand to {verb} the {noun}, "
    f"and then {second} the {other}."
    for verb, tool, nouns in (
        ("cut", "knife", ("radish", "ham", "pear", "leek")),
        ("fry", "spatula", ("egg", "shrimp", "noodle", "onion")),
        ("fill", "ladle", ("jar", "kettle", "mug", "bucket")),
        ("season", "spoon", ("beef", "fish", "broth", "rice")),
    )
    for noun in nouns
    for held, second, other in (("bowl", "add", "salt"), ("plate", "dry", "board"), ("pot", "make", "sauce"))
]


def test_instructions_that_name_the_same_things_in_every_sentence_join_no_verbs_by_it():
    verbs = groups(build_lexicon(INSTRUCTIONS).verbs)
    for verb in ("use", "hold", "cut", "fry", "fill", "season", "add", "dry", "make"):
        assert verbs[verb] == {verb}


def test_use_keeps_apart_what_wordnet_alone_would_join():
    # "close" is defined as "move so that ...", but other things are closed than moved.
    moved = [f"#C C moves the {noun}" for noun in ("chair", "lamp", "sofa", "plant", "rug", "bench", "crate", "desk")]
    verbs = groups(build_lexicon(KITCHEN + moved).verbs)
    assert verbs["move"] == {"move"}


def test_putting_in_is_another_class_than_putting_for_every_verb_of_putting(tmp_path):
    texts = [*KITCHEN, "#C C puts the plate in the sink", "#C C pours water in the sink", "#C C pours oil"]
    lexicon = build_lexicon(texts)
    assert {"put in", "put into", "place into", "place inside"} <= groups(lexicon.verbs)["put_in"]
    probe = ["#C C places the cup into the box", "#C C puts the cup in the box", "#C C places the cup"]
    (places_into,), (puts_in,), (places,) = (verbs for verbs, _ in tag_texts(probe, lexicon))
    assert places_into == puts_in != places


def test_only_synonyms_of_putting_put_in():
    arranged = [f"#C C arranges the {noun}" for noun in ("lid", "saucepan", "pan", "plate", "box", "teaspoon", "cup")]
    lexicon = build_lexicon([*KITCHEN, *arranged * 2, "#C C puts the plate in the sink"])
    verbs = groups(lexicon.verbs)
    assert "arrange" in verbs["put"]  # a way of putting, of the same things
    (into, plain) = (verbs for verbs, _ in tag_texts(["#C C arranges cups in a box", "#C C arranges cups"], lexicon))
    assert into == plain
    assert "place in" in verbs["put_in"] and "arrange in" not in verbs["put_in"]


def test_the_same_texts_give_the_same_dictionary_in_any_order():
    assert build_lexicon(KITCHEN) == build_lexicon(KITCHEN[::-1])


def test_of_very_many_texts_an_even_share_is_read(monkeypatch):
    third = build_lexicon(TEXTS[::3])
    monkeypatch.setattr(dictionaries_module, "MOST_TEXTS", 4)
    assert build_lexicon(TEXTS) == third


def test_wordnet_reader():
    take = wordnet().synsets("take", "v")
    assert len(take) == 42
    assert wordnet().synsets("cup", "n")[0].hypernyms()
    assert take[0].lemmas()[0].count() > 0


def test_unpacking_by_several_processes_at_once(tmp_path):
    folder = tmp_path / "cache" / "wordnet-3.0"
    with ProcessPoolExecutor(3) as pool:
        assert list(pool.map(unpacked, [folder] * 6)) == [folder] * 6
    assert sorted(path.name for path in folder.parent.iterdir()) == ["wordnet-3.0"]
    with zipfile.ZipFile(wordnet_module._ZIP) as archive:
        for member in archive.infolist():
            assert (folder / member.filename).read_bytes() == archive.read(member)
        assert b"Princeton University" in archive.read("corpora/wordnet/LICENSE")
    assert wordnet_module._ZIP.stat().st_size < 10e6


def test_a_damaged_cache_names_the_folder_to_remove(tmp_path):
    folder = unpacked(tmp_path / "wordnet-3.0")
    (folder / "corpora" / "wordnet" / "data.noun").write_text("cut short")
    with pytest.raises(InputError, match="damaged; remove the folder"):
        unpacked(folder)


def test_a_cache_that_cannot_be_written_names_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        unpacked(tmp_path / "file" / "wordnet-3.0")
