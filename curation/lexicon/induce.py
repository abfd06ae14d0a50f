"""Dictionaries without a taxonomy: the verbs and nouns of the narrations, grouped by what WordNet says and by use."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from egocurate.curation.lexicon.vocabulary import INTO, Vocabulary, count_words, is_put_in, without_misread_verbs
from egocurate.curation.lexicon.word_clusters import Evidence, grouped
from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB, Links, evidence, is_synonym, links, opposed
from egocurate.curation.text.pos_tags import parse
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, taxonomy
from egocurate.errors import InputError

MIN_COUNT = 2  # in texts: a word that occurs once is mostly a spelling mistake
# Evidence x nearness from which two words are of one class; on real narrations 0.24-0.28 and 0.35-0.4 do as well.
LEAST = {VERB: 0.28, NOUN: 0.4}
MOST_TEXTS = 300_000  # texts read, evenly spread: more teach nothing new of words that matter
_SMALL = 1000  # texts: below this every word counts
_MOST_WORDS, _MOST_CONTEXTS = 4000, 2000  # the most frequent ones are grouped; the rest stand for themselves
_OPPOSITE = 0.3


def build_lexicon(texts: Sequence[str]) -> Lexicon:
    """Build a verb and a noun taxonomy from distinct narrations; raises InputError if they hold no verb or no noun.

    Words are grouped if WordNet relates their frequent senses and if they are used alike: verbs with the same nouns,
    nouns with the same verbs. The group is labeled by its most frequent word; labels are sorted, so a class is a row
    of the csv that `write_lexicon` makes of it.
    """
    read = texts[:: -(-len(texts) // MOST_TEXTS) or 1]
    vocabulary = without_misread_verbs(count_words(parse(read)))
    least = MIN_COUNT if len(read) >= _SMALL else 1
    lexicon = Lexicon(verbs=_verb_classes(vocabulary, least), nouns=_noun_classes(vocabulary, least))
    for name, part in (("verb", lexicon.verbs), ("noun", lexicon.nouns)):
        if not len(part):
            raise InputError(f"no {name} found in {len(texts)} narrations; give a taxonomy with --lexicon DIR")
    return lexicon


def _verb_classes(vocabulary: Vocabulary, least: int) -> Taxonomy:
    groups = _groups(vocabulary.verbs, vocabulary.pairs, vocabulary.nouns, vocabulary.usage, VERB, least)
    of = {word: group for group in groups for word in group}
    return _labeled([[*group, *_put_in_forms(group, of)] for group in groups])


def _noun_classes(vocabulary: Vocabulary, least: int) -> Taxonomy:
    pairs = Counter({(noun, verb): count for (verb, noun), count in vocabulary.pairs.items()})
    usage = {noun: {noun: 1} for noun in vocabulary.nouns}
    return _labeled(_groups(vocabulary.nouns, pairs, vocabulary.verbs, usage, NOUN, least))


def _put_in_forms(group: list[str], of: Mapping[str, list[str]]) -> list[str]:
    """List what "put in" stands for besides: "put into", and "place into" if "place" is one class with "put".

    Of that class, synonyms alone: to arrange things is a way to put them, but "arrange in" is no "put in".
    """
    bases = [base for word in group if (base := word.removesuffix(f" {INTO[0]}")) != word and is_put_in(base)]
    alike = [word for base in bases for word in of.get(base, ()) if " " not in word and is_synonym(word, base, VERB)]
    return [f"{base} {particle}" for base in dict.fromkeys([*bases, *alike]) for particle in INTO]


def _groups(
    counts: Counter[str],
    pairs: Mapping[tuple[str, str], int],
    contexts: Counter[str],
    usage: Mapping[str, Mapping[str, int]],
    part: str,
    least: int,
) -> list[list[str]]:
    """Group words, the most frequent first in each group."""
    words = [word for word in _by_count(counts) if counts[word] >= least]
    known = words[:_MOST_WORDS]
    matrix = _matrix(known, _by_count(contexts)[:_MOST_CONTEXTS], pairs)
    clusters = grouped(matrix, _evidence(known, usage, part), LEAST[part])
    return [[known[row] for row in rows] for rows in clusters] + [[word] for word in words[_MOST_WORDS:]]


def _by_count(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))


def _matrix(words: list[str], contexts: list[str], pairs: Mapping[tuple[str, str], int]) -> np.ndarray:
    """Return (words, contexts): how often each word is seen with each context word."""
    row = {word: index for index, word in enumerate(words)}
    column = {word: index for index, word in enumerate(contexts)}
    matrix = np.zeros((len(words), len(contexts)))
    for (word, context), count in pairs.items():
        if word in row and context in column:
            matrix[row[word], column[context]] = count
    return matrix


def _evidence(words: list[str], usage: Mapping[str, Mapping[str, int]], part: str) -> Evidence:
    """Weigh every pair of words that WordNet relates; opposites, and a verb and its "put in", must stay apart."""
    known = [links(usage[word], part) for word in words]
    pairs = sorted(_related(words, known))
    weights, apart = [], []
    for first, second in pairs:
        weights.append(evidence(words[first], known[first], words[second], known[second], part))
        turned = words[second] == f"{words[first]} {INTO[0]}" or words[first] == f"{words[second]} {INTO[0]}"
        apart.append(turned or opposed(known[first], known[second]) >= _OPPOSITE)
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Evidence(rows[:, 0], rows[:, 1], np.array(weights), np.array(apart, dtype=bool))


def _related(words: list[str], known: list[Links]) -> set[tuple[int, int]]:
    """Return pairs of rows, lower first, that share a sense, are kind and genus, opposites, or word and definition."""
    meaning: dict[str, list[int]] = defaultdict(list)
    for row, of in enumerate(known):
        for sense in of.senses:
            meaning[sense].append(row)
    row_of = {word: row for row, word in enumerate(words)}
    pairs = set()
    for row, of in enumerate(known):
        others = {other for key in (*of.senses, *of.kinds, *of.opposites) for other in meaning[key]}
        others |= {row_of[word] for word in of.defined_by if word in row_of}
        pairs |= {(min(row, other), max(row, other)) for other in others if other != row}
    return pairs


def _labeled(groups: list[list[str]]) -> Taxonomy:
    labeled = sorted((words[0].replace(" ", "_"), sorted(set(words))) for words in groups)
    return taxonomy([label for label, _ in labeled], [words for _, words in labeled])
