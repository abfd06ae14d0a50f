"""The subject of a narration where it names one: "a man X", "the dog", "and man X", "the man in blue shirt"."""

from collections.abc import Sequence

from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.wordnet import Kind, exceptions, is_verb, noun_kind, sense_counts

# Closed classes of English words.
# fmt: off
ARTICLES = frozenset({
    "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "each", "every", "no",
})
PRONOUNS = frozenset({
    "he", "she", "it", "they", "we", "i", "you", "someone", "somebody", "everyone", "everybody",
})
_OTHER_STARTS = frozenset({
    "this", "that", "these", "those", "some", "another", "other", "all", "both", "one", "two", "three", "four", "five",
    "many", "several",
})
PREPOSITIONS = frozenset({
    "alongside", "at", "behind", "beside", "besides", "between", "by", "from", "in", "inside", "near", "of", "on",
    "opposite", "to", "with", "without",
})
CONJUNCTIONS = frozenset({"and", "or", "&", "nor"})
_RELATIVES = frozenset({"who", "that", "which", "whose"})
_NEW_CLAUSE = frozenset({"while", "as", "when", "because", "so", "then", "after", "before", "until"})
_ADVERBS = frozenset({"also", "again", "always", "just", "now", "still", "then", "not"})
_AUXILIARIES = frozenset({"is", "are", "was", "were", "has", "does", "can", "will"})
_PLURALS = frozenset({
    "they", "we", "both", "two", "three", "four", "five", "several", "many", "these", "those", "all",
})
# What an object or a place may begin with, so that the word before is a verb: "points at", "hands the", "looks up".
_AFTER_VERB = ARTICLES | PREPOSITIONS | {
    "around", "away", "down", "up", "off", "out", "over", "into", "onto", "through", "towards", "toward", "him", "them",
}
# fmt: on
_NO_END = ARTICLES | PREPOSITIONS | CONJUNCTIONS | _RELATIVES  # of a noun phrase
_NO_VERB = _AFTER_VERB | CONJUNCTIONS | _RELATIVES
_AFTER_PAST = _AFTER_VERB - PREPOSITIONS
_NOUN_PHRASE_STARTS = ARTICLES | PRONOUNS | _OTHER_STARTS


def subject_length(words: Sequence[str], actor_named: bool) -> int:
    """Return how many of the lower-case `words` name who acts, 0 if none does; the next word is the predicate.

    `actor_named` says that a letter stood before the words: "C" of "C and man X pick the cup".
    """
    first = words[0] if words else ""
    if first in CONJUNCTIONS:
        more = words[1:]
        return _predicate(words) if actor_named and (_starts_noun_phrase(more) or _begins_with_person(more)) else 0
    if actor_named and (first in PREPOSITIONS or first in _RELATIVES):  # "C with his hand picks", "C who sits picks"
        return _predicate(words)
    if _starts_with_side(words):
        return _predicate(words)
    if actor_named:
        if is_person(first) and len(words) > 1 and is_letter(words, 1):  # "C, man X and woman Y"
            return _predicate(words)
        return int(_modifies_verb(words))
    if not first or first in PREPOSITIONS or is_letter(words, 0):
        return 0
    if _starts_noun_phrase(words):
        return _predicate(words)
    at = _predicate(words)
    if at and _plural(words, 1) and _finite(words[at]):
        return 0  # "waters plants"
    if _lives(first) or (not is_verb(first) and any(map(_lives, words[1:2]))):  # "dog", "old woman"
        return at
    if at == 1 and _plural(words, 1) and rather_noun(first, tie=True) and not rather_noun(words[1]):
        return 1  # "cars move"
    return int(_modifies_verb(words))


def starts_with_verb(words: Sequence[str]) -> bool:
    """Tell whether a narration may begin with its verb: not "the cup", "his hand", "they", "in the left hand"."""
    return not (_starts_noun_phrase(words) or _starts_with_side(words) or words[0] in PREPOSITIONS)


def _starts_noun_phrase(words: Sequence[str]) -> bool:
    return bool(words) and (words[0] in _NOUN_PHRASE_STARTS or words[0].endswith("'s"))


def _starts_with_side(words: Sequence[str]) -> bool:
    """Tell whether a narration begins as "left hand", "both hands", not as "left the room"."""
    return words[:1] in (["left"], ["right"], ["both"]) and len(words) > 1 and rather_noun(words[1])


def is_letter(words: Sequence[str], at: int) -> bool:
    """Tell whether a word of a subject is the letter or number of a person: "x" of "man x", "a" of "person a"."""
    word = words[at]
    if len(word) == 2:
        return word[0].isalpha() and word[1].isdigit()
    if len(word) != 1 or not word.isalnum():
        return False
    return word not in "ai" or (at > 0 and is_person(words[at - 1]))


def is_person(word: str) -> bool:
    """Tell whether a word names a person before anything else."""
    return word == "person" or noun_kind(word) is Kind.PERSON


def rather_noun(word: str, tie: bool = False) -> bool:
    """Tell whether a word is a noun more often than a verb (`tie`: as often), by WordNet's counts in running text."""
    noun = max(sense_counts().get(base, (0, 0))[0] for base in noun_bases(word))
    verb = max(sense_counts().get(base, (0, 0))[1] for base in verb_bases(word))
    return noun > verb or (tie and noun == verb)


def _predicate(words: Sequence[str]) -> int:
    """Find the verb after a subject that begins at 0: a finite verb, else a bare one, a past or a gerund; 0 if none."""
    end = next((at for at in range(1, len(words)) if words[at] in _NEW_CLAUSE), len(words))
    for fits in (_is_finite_here, _is_verb_here):
        for at in range(1, end):
            if _noun_phrase_ends(words, at) and fits(words, at):
                return at
    return 0


def _noun_phrase_ends(words: Sequence[str], at: int) -> bool:
    """Tell whether the words before `at` may be a whole subject: none ends in "the", "with" or "that"."""
    before = words[at - 1]
    if is_letter(words, at - 1):
        return True
    return before not in _NO_END and not before.endswith("'s")


def _is_finite_here(words: Sequence[str], at: int) -> bool:
    """Tell whether the word at `at`, which a whole noun phrase precedes, is a finite verb and no part of that phrase.

    A word that is a noun as well ("hands", "cards") is the verb unless a surer verb follows or a gerund before may have
    it as its object.
    """
    word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
    if _anchored(words, at):
        return True
    if _plural(words, at) and is_verb(word) and not rather_noun(word):
        return True
    if not _finite(word):
        return _past(word) and following in _AFTER_PAST  # "held a cup", not "dressed in black"
    if not rather_noun(word):
        return True
    if following and (_finite(following) or is_verb(following)) and not rather_noun(following):
        return False  # "the man with the cards moves"
    article = max((before for before in range(at) if words[before] in ARTICLES), default=0)
    if words[article] in ("a", "an") and not any(map(_breaks_noun_phrase, words[article:at])):
        return True  # "a man with a hat waves"
    gerund = any(map(_gerund, words[:at]))
    return not gerund or (following in _AFTER_VERB and not _gerund(words[at - 1]))


def _breaks_noun_phrase(word: str) -> bool:
    return word in PREPOSITIONS or word in CONJUNCTIONS or _gerund(word)


def _is_verb_here(words: Sequence[str], at: int) -> bool:
    """Tell whether the word at `at` may be the verb where none is finite: "a man cut", "a man washing"."""
    word = words[at]
    if _gerund(word):
        return True
    return (is_verb(word) and not rather_noun(word)) or _past(word)


def _anchored(words: Sequence[str], at: int) -> bool:
    """Tell whether the word follows a person's letter or a pronoun, after which only a verb or a modifier may stand."""
    word, before = words[at], at - 1
    while before > 0 and _adverb(words[before]):
        before -= 1
    if word in _NO_VERB or _adverb(word) or _gerund(word) or is_letter(words, at):
        return False
    if is_letter(words, before):
        return before == 0 or words[before - 1] not in PREPOSITIONS
    return words[before] in PRONOUNS


def _plural(words: Sequence[str], at: int) -> bool:
    """Tell whether the subject before `at` is of several: "they", "two men", "C and the lady"."""
    before = words[at - 1]
    return bool(
        words[0] in _PLURALS
        or CONJUNCTIONS.intersection(words[:at])
        or before == "people"
        or any(base != before for base in noun_bases(before) if before in exceptions("noun") or before.endswith("s"))
    )


def _finite(word: str) -> bool:
    """Tell whether a word may be a verb in the third person."""
    if word in _AUXILIARIES:
        return True
    ends = word.endswith("s") and not word.endswith("ss")
    return ends and any(is_verb(base) for base in verb_bases(word) if base != word)


def _past(word: str) -> bool:
    return word in exceptions("verb") or (word.endswith("ed") and any(map(is_verb, verb_bases(word))))


def _gerund(word: str) -> bool:
    return word.endswith("ing") and any(is_verb(base) for base in verb_bases(word) if base != word)


def _adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and not is_verb(word))


def _modifies_verb(words: Sequence[str]) -> bool:
    """Tell whether the first word stands before the verb and is none itself: "hand picks the beans", "then picks"."""
    verb = len(words) > 1 and _finite(words[1]) and not rather_noun(words[1])
    return verb and not _finite(words[0]) and rather_noun(words[0], tie=True)


def _begins_with_person(words: Sequence[str]) -> bool:
    return bool(words) and (is_letter(words, 0) or _lives(words[0]))


def _lives(word: str) -> bool:
    """Tell whether a word names a person or an animal before anything else: "player", "dogs", not "cook"."""
    if not rather_noun(word, tie=True):
        return False
    return any(is_person(base) or noun_kind(base) is Kind.ANIMAL for base in noun_bases(word))
