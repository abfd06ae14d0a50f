"""Which words of a narration tell an action."""

from curation.inflection import verb_bases
from curation.parse import Parsed

# Verbs that only carry another one ("continues slicing", "tries to open"): the carried verb is the action.
# fmt: off
CARRIERS = frozenset({
    "continue", "start", "begin", "keep", "try", "proceed", "attempt", "resume", "stop", "finish", "go", "help", "need",
    "want", "decide", "manage",
})
# fmt: on
_AUXILIARIES = frozenset(("be", "am", "is", "are", "was", "were", "been", "being", "have", "do", "let"))
_BEFORE_GERUND = ("by", "while", "for", "after", "before", "without")


def action_positions(parsed: Parsed) -> list[int]:
    """List the words of a narration that tell an action: its predicate, and the verbs that name or modify no thing."""
    carried = carried_by_predicate(parsed)
    return [
        index
        for index, tag in enumerate(parsed.tags)
        if index in (parsed.predicate, carried) or (tag.startswith("VB") and not _is_thing(parsed, index))
    ]


def carried_by_predicate(parsed: Parsed) -> int:
    """Find the verb after a carrier, whose gerund the tagger often reads as a noun ("continue washing bowl"), or -1."""
    words, at = parsed.words, parsed.predicate
    if at < 0 or not is_base(words[at], CARRIERS):
        return -1
    following = at + 1
    while following < len(words) and parsed.tags[following] in ("RB", "RP", "IN", "TO"):
        following += 1
    carried = following < len(words) and (words[following].endswith("ing") or parsed.tags[following].startswith("VB"))
    return following if carried else -1


def _is_thing(parsed: Parsed, index: int) -> bool:
    """Tell whether a word read as a verb is or modifies a thing: "chopped onions", "hammers nails", "puts fork"."""
    words, tags = parsed.words, parsed.tags
    tag, word, before = tags[index], words[index], tags[index - 1] if index else ""
    if before in ("DT", "PRP$", "JJ", "CD") or word == "using":  # "stirs using a spoon" is "stirs with a spoon"
        return True
    auxiliary = index > 0 and is_base(words[index - 1], CARRIERS | _AUXILIARIES)
    if tag in ("VB", "VBP", "VBZ"):
        if before == "CC":  # "takes knife and fork": a second verb would be "forks"
            return tag != "VBZ" and 0 <= parsed.predicate < index and tags[parsed.predicate] == "VBZ"
        object_place = before.startswith("VB") or index - 1 == parsed.predicate
        return before == "RP" or (object_place and not auxiliary)
    following = tags[index + 1 : index + 3]
    if following[:1] == ["RP"]:  # "pours washing up liquid"
        following = following[1:]
    if tag not in ("VBG", "VBN", "VBD") or not following or not following[0].startswith(("NN", "JJ")):
        return False
    if before == "IN":
        return words[index - 1] not in _BEFORE_GERUND
    return before.startswith("VB") and not auxiliary


def is_base(word: str, bases: frozenset[str]) -> bool:
    """Tell whether a word is an inflected form of one of `bases`."""
    return any(base in bases for base in verb_bases(word))
