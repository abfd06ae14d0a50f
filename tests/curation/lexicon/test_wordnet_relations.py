import pytest

from egocurate.curation.lexicon.wordnet_relations import (
    NOUN,
    VERB,
    defining_words,
    evidence,
    is_kind,
    is_synonym,
    links,
    opposed,
    senses,
)


def weigh(first, second, part):
    mine, theirs = links({first: 9}, part), links({second: 9}, part)
    assert evidence(first, mine, second, theirs, part) == evidence(second, theirs, first, mine, part)
    return evidence(first, mine, second, theirs, part)


def test_senses_are_of_the_base_form_and_the_most_frequent_weighs_one():
    found = senses("wash", VERB)
    assert found[0][1] == 1 and all(0 < weight <= 1 for _, weight in found)
    assert senses("cups", NOUN) == () == senses("frobnicate", VERB)
    assert senses("turn on", VERB)[0][0] == senses("switch on", VERB)[0][0]


@pytest.mark.parametrize(
    ("definition", "part", "words"),
    [
        ("take or grasp suddenly", VERB, {"take", "grasp"}),
        ("take in solid food", VERB, {"take in"}),
        ("(of a person) wash off soap; cleanse", VERB, {"wash off", "cleanse"}),
        ("a deep pan with a handle; used for stewing or boiling", NOUN, {"pan"}),
        ("a small room or cabinet used for storage space", NOUN, {"room", "cabinet"}),
        ("turn on or around an axis", VERB, {"turn"}),
        ("take off or remove", VERB, {"take off"}),
        ("", NOUN, set()),
    ],
)
def test_definitions_begin_with_what_they_define_by(definition, part, words):
    assert words <= defining_words(definition, part)
    assert not {"solid", "food", "suddenly", "handle", "storage"} & defining_words(definition, part)
    assert ("take" in defining_words(definition, part)) == ("take" in words)


@pytest.mark.parametrize("definition", ["make dry", "become soft", "come to the boiling point", "cause to be rough"])
def test_a_verb_whose_complement_tells_the_meaning_defines_nothing(definition):
    assert not defining_words(definition, VERB)


def test_synonyms_outweigh_kinds_and_kinds_of_wide_words_hardly_count():
    assert weigh("turn on", "switch on", VERB) > 0.95
    assert weigh("car", "automobile", NOUN) > 0.95
    assert weigh("cut", "slice", VERB) > weigh("put", "move", VERB)
    assert weigh("colander", "strainer", NOUN) > weigh("drawer", "container", NOUN)
    assert weigh("frobnicate", "wash", VERB) == 0


def test_a_kind_that_bears_the_name_is_safe_and_a_like_ending_is_nothing():
    assert weigh("teaspoon", "spoon", NOUN) > 0.9
    assert weigh("salad bowl", "bowl", NOUN) > 0.9
    assert weigh("dishwasher", "washer", NOUN) < 0.5


def test_the_senses_of_the_form_in_use_count():
    alone, used = links({"pick": 9, "pick up": 1}, VERB), links({"pick": 1, "pick up": 9}, VERB)
    take = links({"take": 9}, VERB)
    assert evidence("pick", used, "take", take, VERB) > evidence("pick", alone, "take", take, VERB)


def test_opposites():
    assert opposed(links({"open": 1}, VERB), links({"close": 1}, VERB)) > 0.3
    assert opposed(links({"switch on": 1}, VERB), links({"turn off": 1}, VERB)) > 0.3
    assert opposed(links({"wash": 1}, VERB), links({"rinse": 1}, VERB)) == 0


def test_synonyms_have_a_main_sense_in_common():
    assert is_synonym("place", "put", VERB) and is_synonym("lay", "put", VERB) and is_synonym("rinse", "wash", VERB)
    assert not is_synonym("arrange", "put", VERB) and not is_synonym("slice", "cut", VERB)


def test_put_in_is_a_kind_of_put_and_mix_in_means_mix():
    assert is_kind("put in", "put", VERB)
    assert not is_kind("mix in", "mix", VERB)
