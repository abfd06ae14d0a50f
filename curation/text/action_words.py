"""Which words of a narration tell an action."""

from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.pos_tags import Parsed
from egocurate.curation.text.subject import rather_noun

# Verbs that only carry another one ("continues slicing", "tries to open"): the carried verb is the action.
# fmt: off
CARRIERS = frozenset({
    "continue", "start", "begin", "keep", "try", "proceed", "attempt", "resume", "stop", "finish", "go", "help", "need",
    "want", "decide", "manage",
})
# Carriers that take no thing as their object, so that a bare verb may follow ("continue pour water").
_BARE_CARRIERS = frozenset(("continue", "proceed", "attempt"))
# What is opened by turning it on: "opens the tap", "closes the water", but not "opens the tap cover".
_RUNNING_WATER = frozenset({"faucet", "spigot", "tap", "water"})
# fmt: on
_SWITCHES = (("on", frozenset(("open",))), ("off", frozenset(("close", "shut"))))
_BE = frozenset(("be", "am", "is", "are", "was", "were", "been", "being"))
_AUXILIARIES = _BE | {"have", "do", "let"}
_CLAUSE_START = ("to", "that", "which")
_WAIT = frozenset(("wait",))
_NOUN_PHRASE = ("NN", "DT", "JJ", "PRP$", "CD", "VBG", "VBN")
_CLAUSE_OPENERS = ("while", "as", "when", "that", "which", "who", "so")
_BEFORE_GERUND = ("by", "while", "for", "after", "before", "without")


def action_positions(parsed: Parsed) -> list[int]:
    """List the words of a narration that tell an action: its predicate, and the verbs that name or modify no thing."""
    carried = carried_by_predicate(parsed)
    return [
        index
        for index, tag in enumerate(parsed.tags)
        if index in (parsed.predicate, carried)
        or (
            index > parsed.predicate
            and tag.startswith("VB")
            and not _is_thing(parsed, index)
            and not _done_by_another(parsed, index)
        )
    ]


def carried_by_predicate(parsed: Parsed) -> int:
    """Find the verb after a carrier, whose gerund the tagger often reads as a noun ("continue washing bowl"), or -1."""
    words, at = parsed.words, parsed.predicate
    if at < 0 or not is_base(words[at], CARRIERS):
        return -1
    following = at + 1
    while following < len(words) and parsed.tags[following] in ("RB", "RP", "IN", "TO"):
        following += 1
    if following >= len(words):
        return -1
    named = words[following].endswith("ing") or parsed.tags[following].startswith("VB")
    bare = is_base(words[at], _BARE_CARRIERS) and not {"IN", "RP"}.intersection(parsed.tags[at + 1 : following])
    bare = bare and parsed.tags[following].startswith(("NN", "JJ"))
    return following if named or bare else -1


def coordinated(parsed: Parsed, index: int) -> bool:
    """Tell whether a word after "and" must be a verb: "open and close", "cuts the tape and tapes the box"."""
    words, tags = parsed.words, parsed.tags
    if tags[index - 1] != "CC" or not 0 <= parsed.predicate < index:
        return False
    if parsed.predicate == index - 2:
        return True
    if tags[parsed.predicate] != "VBZ" or tags[index] != "NNS":
        return False
    following = tags[index + 1] if index + 1 < len(tags) else ""
    if following.startswith(("DT", "PRP", "NN")):  # "and tapes it", "and combs hair"
        return True
    # "takes the cup and drinks", but "buys food and drinks"
    determined = not {"DT", "PRP$"}.isdisjoint(tags[parsed.predicate : index])
    return determined and not rather_noun(words[index], tie=True)


def switched(parsed: Parsed, position: int) -> str:
    """Say "on" for a verb that opens running water ("opens the tap"), "off" for one that closes it, else ""."""
    particle = next((particle for particle, bases in _SWITCHES if is_base(parsed.words[position], bases)), "")
    if not particle:
        return ""
    head, at = "", position + 1
    while at < len(parsed.words) and parsed.tags[at].startswith(_NOUN_PHRASE):
        if parsed.tags[at].startswith("NN"):
            head = parsed.words[at]
        at += 1
    return particle if any(base in _RUNNING_WATER for base in noun_bases(head)) else ""


def _done_by_another(parsed: Parsed, index: int) -> bool:
    """Tell whether a verb is what a thing does or undergoes: "waits for water to boil", "fish that is fried"."""
    words, tags = parsed.words, parsed.tags
    if not 0 <= parsed.predicate < index:
        return False
    for at in range(max(parsed.predicate + 2, index - 2), index):
        if tags[index] == "VBN" and (words[at] == "being" or (words[at] in _BE and words[at - 1] in _CLAUSE_START)):
            return True
    if tags[index] in ("VBN", "VBD") and tags[index - 1].startswith("NN") and tags[parsed.predicate] == "VBZ":
        return words[parsed.predicate] not in _BE and not carries(words[parsed.predicate])  # "bucket filled with water"
    waits = next((at for at in range(index - 1) if is_base(words[at], _WAIT) and words[at + 1] == "for"), index)
    return waits < index and "CC" not in tags[waits:index] and "while" not in words[waits:index]


def _is_thing(parsed: Parsed, index: int) -> bool:
    """Tell whether a word read as a verb is or modifies a thing: "chopped onions", "hammers nails", "puts fork"."""
    words, tags = parsed.words, parsed.tags
    tag, word, before = tags[index], words[index], tags[index - 1] if index else ""
    if before in ("DT", "PRP$", "JJ", "CD") or word == "using":  # "stirs using a spoon" is "stirs with a spoon"
        return True
    auxiliary = index > 0 and carries(words[index - 1])
    if tag in ("VB", "VBP", "VBZ"):
        if before == "CC":  # "takes knife and fork": a second verb would be "forks", after "taking" "forking"
            predicate_tag = tags[parsed.predicate] if 0 <= parsed.predicate < index else ""
            finite = {"VB", "VBP"}.intersection(tags[parsed.predicate + 1 : index])
            return tag != "VBZ" and (predicate_tag == "VBZ" or (predicate_tag == "VBG" and not finite))
        if before.startswith("NN") and tag != "VBZ" and _one_clause(parsed, index):  # "looks at the wrist watch"
            return True
        object_place = before.startswith("VB") or index - 1 == parsed.predicate
        return before == "RP" or (object_place and not auxiliary)
    after_verb = before in ("VB", "VBP", "VBZ") or index - 1 == parsed.predicate
    if tag in ("VBN", "VBD") and after_verb and before.startswith("VB") and not auxiliary:  # "wipes cut with tissue"
        return True
    following = tags[index + 1 : index + 3]
    if following[:1] == ["RP"]:  # "pours washing up liquid"
        following = following[1:]
    if tag not in ("VBG", "VBN", "VBD") or not following or not following[0].startswith(("NN", "JJ")):
        return False
    if before == "IN":
        return words[index - 1] not in _BEFORE_GERUND
    return before.startswith("VB") and not auxiliary


def _one_clause(parsed: Parsed, index: int) -> bool:
    """Tell whether one verb in the third person stands before `index`, after which a bare verb has no place."""
    at = parsed.predicate
    if not 0 <= at < index or parsed.tags[at] != "VBZ" or carries(parsed.words[at]):
        return False
    if parsed.tags[index + 1 : index + 2] in (["DT"], ["PRP$"]):  # "watches the man paint the wall"
        return False
    between = range(at + 1, index)
    return not any(parsed.tags[one] in ("CC", "TO", "MD") or parsed.words[one] in _CLAUSE_OPENERS for one in between)


def carries(word: str) -> bool:
    """Tell whether a word is a carrier or an auxiliary, after which another verb tells the action."""
    return is_base(word, CARRIERS | _AUXILIARIES)


def is_base(word: str, bases: frozenset[str]) -> bool:
    """Tell whether a word is an inflected form of one of `bases`."""
    return any(base in bases for base in verb_bases(word))
