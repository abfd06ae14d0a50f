"""Which words of a narration name a thing."""

from egocurate.curation.text.pos_tags import Parsed
from egocurate.curation.text.wordnet import Kind, noun_kind

# Words that a noun taxonomy may hold and that are something else when the tagger says so; its other such readings are
# mistakes ("picks up lid" with lid as an adverb).
# fmt: off
_FUNCTION_WORDS = frozenset({
    "all", "around", "back", "both", "down", "even", "half", "home", "in", "inside", "left", "like", "more", "no",
    "off", "on", "out", "outside", "over", "past", "right", "round", "so", "still", "straight", "there", "top", "under",
    "up", "well", "will",
})
# What a thing before which they stand is made of: "plastic bottle", "wood plank".
_MATERIALS = frozenset({
    "aluminium", "aluminum", "bronze", "cardboard", "ceramic", "concrete", "copper", "cotton", "denim", "fabric",
    "glass", "gold", "iron", "leather", "metal", "nylon", "paper", "plastic", "polythene", "porcelain", "rubber",
    "silk", "silver", "steel", "stone", "wood", "wool",
})
# Sides of a thing: "the top shelf", "on top of the shelf", "at the back", "the table top".
_SIDES = frozenset({"back", "bottom", "center", "edge", "end", "front", "left", "middle", "right", "top"})
# Of the fruit itself, "orange" names the fruit; of all else, the color: "orange juice", "orange cup".
_OF_FRUIT = frozenset({"juice", "peel", "piece", "rind", "seed", "segment", "skin", "slice", "tree", "wedge", "zest"})
# fmt: on
_FUNCTION_TAGS = ("DT", "IN", "TO", "CC", "RB", "RP", "MD", "EX", "W")
_NOMINAL = ("NN", "JJ")
_EATEN = (Kind.FOOD, Kind.PLANT)


def names_thing(parsed: Parsed, at: int) -> bool:
    """Tell whether a single word may name a thing: no function word, side, material or adjective before a noun."""
    tag, word = parsed.tags[at], parsed.words[at]
    if tag.startswith(_FUNCTION_TAGS) and word in _FUNCTION_WORDS:
        return False
    if word in _SIDES and _tells_a_side(parsed, at):
        return False
    if word == "face" and parsed.words[at + 1 : at + 2] in (["up"], ["down"]):
        return False
    if _tag(parsed, at + 1).startswith("NN"):
        if word in _MATERIALS:
            return False
        if word == "orange":
            return parsed.words[at + 1].removesuffix("s") in _OF_FRUIT
    following = next((other for other in parsed.tags[at + 1 :] if not other.startswith("JJ")), "")
    return not (tag.startswith("JJ") and following.startswith("NN")) or noun_kind(word) in _EATEN


def may_be_one_word(parsed: Parsed, at: int) -> bool:
    """Tell whether two words in a row may be one noun that is spelled apart: "counter top"."""
    nominal = parsed.tags[at].startswith(_NOMINAL) and _tag(parsed, at + 1).startswith(_NOMINAL)
    return nominal and min(map(len, parsed.words[at : at + 2])) > 2


def _tells_a_side(parsed: Parsed, at: int) -> bool:
    """Tell whether a word such as "top" says where: before or after a noun, before "of", or after "on the"."""
    words, tags = parsed.words, parsed.tags
    if _tag(parsed, at + 1).startswith("NN") or words[at + 1 : at + 2] == ["of"]:
        return True
    before = at - 1
    while before >= 0 and (words[before] == "the" or words[before] in _SIDES):
        before -= 1
    return before >= 0 and tags[before].startswith(("NN", "IN", "TO")) and words[before] != "off"  # "cuts off the top"


def _tag(parsed: Parsed, at: int) -> str:
    return parsed.tags[at] if at < len(parsed.tags) else ""
