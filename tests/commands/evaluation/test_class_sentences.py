"""How each kind of model is asked for a class."""

from dataclasses import replace

from egocurate.commands.evaluation.class_sentences import Speech, learned_narrations
from egocurate.models.frozen.config import FrozenConfig
from egocurate.training.config.recipes import RECIPES
from egocurate.training.run.load_frozen import FROZEN


def test_a_model_of_narrations_is_asked_in_their_words():
    names = ["turn-on", "take", "Opening a door", ""]
    raw = [["#C C turns on"], ["#C C takes"], ["#C C opens a door"], []]
    assert Speech(True, "raw").sentences("verb", names) == raw
    assert Speech(True, "normalized").sentences("verb", names) == [["turns on"], ["takes"], ["opens a door"], []]
    assert Speech(True, "raw").sentences("noun", ["tap", "maker:coffee"]) == [["#C C tap"], ["#C C coffee maker"]]


def test_a_model_of_the_web_and_templates_of_ones_own():
    assert Speech(False, "normalized").sentences("label", ["air-drumming"]) == [["a video of air drumming"]]
    mine = ("#C C is {}", "A video of {}.")
    assert Speech(True, "raw", mine).sentences("verb", ["take"]) == [["#C C is take", "A video of take."]]
    assert Speech(True, "normalized", mine).sentences("verb", ["take"]) == [["is take", "a video of take"]]
    assert Speech(False, "normalized", mine).sentences("verb", ["take"]) == [["#C C is take", "A video of take."]]


def test_which_model_has_learned_narrations():
    frozen = replace(RECIPES["egovlp"](), system=FROZEN, model=FrozenConfig("folder", "clip"))
    assert not learned_narrations(frozen, is_release=True)
    assert learned_narrations(replace(frozen, model=FrozenConfig("file", "lavila")), is_release=True)
    prism = RECIPES["videoprism-stage1"]()
    assert not learned_narrations(prism, is_release=True)
    assert learned_narrations(prism, is_release=False)
    assert learned_narrations(RECIPES["egovlp"](), is_release=True)
