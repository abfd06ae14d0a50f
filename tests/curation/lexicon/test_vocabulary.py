import pytest

from egocurate.curation.lexicon.vocabulary import count_words, is_put_in, is_switched, without_misread_verbs
from egocurate.curation.text.pos_tags import Parsed


def parsed(text):
    """Words with tags by hand: "puts/VBZ cup/NN"; the first is the predicate."""
    words, tags = zip(*(word.split("/") for word in text.split()), strict=True)
    return Parsed(list(words), list(tags), 0)


@pytest.mark.parametrize(
    ("text", "verb", "used"),
    [
        ("turns/VBZ on/RP tap/NN", "turn on", "turn on"),
        ("turns/VBZ tap/NN off/RP", "turn off", "turn off"),
        ("puts/VBZ cup/NN on/IN table/NN", "put", "put"),
        ("puts/VBZ cup/NN into/IN sink/NN", "put in", "put in"),
        ("puts/VBZ on/RP glove/NN", "put", "put on"),
        ("picks/VBZ up/RP cup/NN", "pick", "pick up"),
        ("pours/VBZ water/NN into/IN cup/NN", "pour", "pour"),
    ],
)
def test_a_particle_names_the_verb_only_where_it_changes_what_is_done(text, verb, used):
    found = count_words([parsed(text)])
    assert found.verbs == {verb: 1}
    assert found.usage == {verb: {used: 1}}


def test_texts_are_counted_once_per_word_and_pair():
    text = parsed("takes/VBZ cup/NN and/CC cup/NN")
    found = count_words([text, text, parsed("takes/VBZ knives/NNS"), parsed("continues/VBZ")])
    assert found.verbs == {"take": 3}
    assert found.nouns == {"cup": 2, "knife": 1}
    assert found.pairs == {("take", "cup"): 2, ("take", "knife"): 1}


def test_a_verb_stands_with_the_nouns_of_its_own_clause():
    found = count_words([parsed("hold/VB bowl/NN and/CC stir/VB soup/NN"), parsed("open/VB and/CC close/VB lid/NN")])
    assert found.pairs == {("hold", "bowl"): 1, ("stir", "soup"): 1, ("open", "lid"): 1, ("close", "lid"): 1}


def test_what_is_mostly_a_thing_is_no_verb_and_stays_a_noun():
    pans = [parsed(f"takes/VBZ pan/NN {noun}/NN") for noun in ("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1")]
    misread = parsed("adds/VBZ oil/NN and/CC pan/VB lid/NN")
    peeled = [parsed("peels/VBZ onion/NN"), *[parsed("throws/VBZ peel/NN")] * 7]
    found = without_misread_verbs(count_words([*pans, misread, *peeled]))
    assert found.verbs == {"take": 8, "add": 1, "peel": 1, "throw": 7}
    assert found.nouns["pan"] == 8
    assert ("add", "oil") in found.pairs and ("pan", "lid") not in found.pairs


def test_which_particles_turn_a_verb():
    assert is_switched("turn") and is_switched("switch")
    assert not is_switched("put") and not is_switched("frobnicate")
    assert is_put_in("put")
    assert not is_put_in("pour") and not is_put_in("mix")
