"""Base forms that an English word may have: every candidate, for a lexicon to choose from."""

from collections import defaultdict
from functools import cache, lru_cache

from egocurate.curation.text.wordnet import exceptions, is_noun, is_verb

_VOWELS = "aeiou"
# Plurals that WordNet's list lacks, and plurals that mean something else than their singular ("coffee grounds").
_PLURALS = {"people": "person"}
_THIRD_PERSONS = {"be": "is", "have": "has"}
_OWN_WORDS = frozenset({"goods", "grounds", "means", "news"})
# Their past has no ending; WordNet's list of irregular forms leaves them out.
# fmt: off
_UNCHANGED = frozenset({
    "beat", "bet", "bid", "burst", "cast", "cost", "cut", "fit", "hit", "hurt", "knit", "let", "put", "quit", "read",
    "rid", "set", "shed", "shut", "slit", "split", "spread", "thrust", "wet",
})
# fmt: on


@lru_cache(maxsize=1 << 16)
def verb_bases(word: str) -> tuple[str, ...]:
    """List the word itself and what it may be an inflection of, likelier first: "slicing" -> slicing, slice, slic."""
    bases = [word, *exceptions("verb").get(word, ())]
    if word.endswith("s") and not word.endswith("ss"):
        bases.append(word[:-1])
        if word.endswith("ies"):
            bases.append(word[:-3] + "y")
        if word.endswith("es"):
            bases.append(word[:-2])
    for suffix in ("ing", "ed"):
        stem = word.removesuffix(suffix)
        if stem != word and any(letter in _VOWELS + "y" for letter in stem):
            bases += [stem + "e", stem]
            if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
                bases.append(stem[:-1])
            if stem.endswith("i"):
                bases.append(stem[:-1] + "y")
    return tuple(dict.fromkeys(bases))


@lru_cache(maxsize=1 << 16)
def noun_bases(word: str) -> tuple[str, ...]:
    """List the word itself and what it may be the plural of, likelier first: "knives" -> knives, knife, knif."""
    if word in _OWN_WORDS:
        return (word,)
    bases = [word, *exceptions("noun").get(word, ())]
    if word in _PLURALS:
        bases.append(_PLURALS[word])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        if word.endswith("ves"):
            bases += [word[:-3] + "f", word[:-3] + "fe"]
        if word.endswith("ies"):
            bases.append(word[:-3] + "y")
        bases.append(word[:-1])
        if word.endswith("es"):
            bases.append(word[:-2])
    if word.endswith("men"):
        bases.append(word[:-3] + "man")
    return tuple(dict.fromkeys(bases))


def third_person(verb: str) -> str:
    """Inflect a base form as narrations have it: "open" -> "opens", "wash" -> "washes", "dry" -> "dries"."""
    if verb in _THIRD_PERSONS:
        return _THIRD_PERSONS[verb]
    if verb.endswith(("s", "x", "z", "sh", "ch", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ies"
    return verb + "s"


def gerund(verb: str) -> str:
    """Inflect a base form: "cut" -> "cutting", "slice" -> "slicing", "tie" -> "tying"."""
    for form in _irregular("verb").get(verb, ()):
        if form.endswith("ing"):
            return form
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) else verb) + "ing"


def past(verb: str) -> str | None:
    """Inflect a base form that has one word for its past and its participle: "stir" -> "stirred"; "take" has two."""
    irregular = [form for form in _irregular("verb").get(verb, ()) if not form.endswith("ing")]
    if verb in _UNCHANGED:
        return verb
    if irregular:
        return irregular[0] if len(irregular) == 1 and irregular[0].endswith(("ed", "d", "t")) else None
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + ("d" if verb.endswith("e") else "ed")


def plural(noun: str) -> str:
    """Inflect a noun: "knife" -> "knives", "box" -> "boxes", "cup" -> "cups"."""
    irregular = _irregular("noun").get(noun, ())
    if irregular:
        return irregular[0]
    if noun.endswith("man") and noun != "human":
        return noun[:-3] + "men"
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def article(word: str) -> str:
    """Return "an" for a word that begins with the sound of a vowel, "a" for any other."""
    silent_h = word.startswith(("hour", "honest", "heir"))
    consonant = word.startswith(("uni", "use", "usu", "ute", "one", "eu"))
    return "an" if silent_h or (word[:1] in tuple(_VOWELS) and not consonant) else "a"


@cache
def _irregular(part: str) -> dict[str, tuple[str, ...]]:
    """Return WordNet's irregular forms of each base form."""
    forms: dict[str, list[str]] = defaultdict(list)
    for form, bases in exceptions(part).items():
        for base in bases:
            forms[base].append(form)
    return {base: tuple(of) for base, of in forms.items()}


def is_verb_form(word: str) -> bool:
    """Tell whether a word may be a verb of WordNet, inflected or not."""
    return any(map(is_verb, verb_bases(word)))


def is_english(word: str) -> bool:
    """Tell whether a word may be a noun or a verb of WordNet, inflected or not."""
    return is_verb_form(word) or any(map(is_noun, noun_bases(word)))
