"""Slips of the fingers in a narration: "pciks", "drawyer"."""

from collections.abc import Iterable

from egocurate.curation.text.inflection import is_english

_SHORTEST = 4
_ENDINGS = ("", "s", "es", "ing")
# WordNet comes without adjectives here, and "spicy" is no slip of "spice".
_OF_ADJECTIVES = ("able", "al", "ed", "ful", "ic", "ish", "ive", "less", "ous", "y")


def meant(word: str, known: Iterable[str]) -> list[str]:
    """List the words of `known` that `word` may be a slip of, inflected or not; none if it is an English word.

    A first letter is hardly ever wrong, and short words are too near to each other.
    """
    if len(word) < _SHORTEST or word.endswith(_OF_ADJECTIVES) or is_english(word):
        return []
    like = (other for other in known if other[0] == word[0] and len(other) >= _SHORTEST)
    return [other for other in like if any(one_slip(word, other + ending) for ending in _ENDINGS)]


def one_slip(word: str, other: str) -> bool:
    """Tell whether a letter more, a letter less, another letter or two letters in the wrong order part two words."""
    start = 0
    while start < min(len(word), len(other)) and word[start] == other[start]:
        start += 1
    word, other = word[start:], other[start:]
    while word and other and word[-1] == other[-1]:
        word, other = word[:-1], other[:-1]
    swapped = len(word) == 2 and word == other[::-1]
    return swapped or (len(word) <= 1 and len(other) <= 1 and word != other)
