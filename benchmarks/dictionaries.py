"""How well dictionaries built without a taxonomy find EgoNCE's positives: `python -m benchmarks.dictionaries [DATA]`.

DATA holds `epic-kitchens-100/`, `epic-kitchens-55/`, `egoexolearn/`, `ego4d-goalstep/`, `hd-epic/` and
`ego4d-taxonomy/` as published; by default it is ../shared/data beside the repository. Two narrations are positives if
they share a verb class and a noun class ("and"; also "or", "noun", "verb"); people's classes tell which pairs truly
are: the annotators' (EPIC-KITCHENS), those that EgoExoLearn gives its narrations, or the data set's taxonomy, by which
the same tagger tags the texts (steps of Goal-Step and HD-EPIC, EgoExoLearn once more). Beside it: each base form a
class of its own, all words with any WordNet sense in common merged, and words with the same first sense merged.
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.record import figure, write_record
from egocurate.curation.lexicon.induce import MIN_COUNT, build_lexicon
from egocurate.curation.lexicon.vocabulary import count_words
from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB, senses
from egocurate.curation.sources.epic_kitchens import read_classes
from egocurate.curation.text.pos_tags import parse
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, load_lexicon, taxonomy

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Thresholds were chosen on the first file and on the half of EgoExoLearn's videos that is not measured here; the others
# tell whether they hold elsewhere. Goal-Step's wrong groups showed that rules for chains, for nouns misread as verbs
# and for "arrange in" were wanting, so it is no longer held out as the other EPIC files, EgoExoLearn and HD-EPIC are.
FILES = (
    "epic-kitchens-100/EPIC_100_uda_source_train.csv.gz",
    "epic-kitchens-100/EPIC_100_uda_source_val.csv.gz",
    "epic-kitchens-100/EPIC_100_uda_target_val.csv.gz",
    "epic-kitchens-55/EPIC_train_action_labels.csv.gz",
)
EGOEXOLEARN = "egoexolearn/association_exo_train.csv.gz"
GOALSTEP = "ego4d-goalstep/goalstep_valid.json.gz"
HD_EPIC = "hd-epic/complete_recipes.json.gz"
HD_CLASSES = ("hd-epic/HD_EPIC_verb_classes.csv", "hd-epic/HD_EPIC_noun_classes.csv.gz")
TARGET = "at least 0.80, and at least that of base forms"
RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "and": lambda verb, noun: verb & noun,
    "or": lambda verb, noun: verb | noun,
    "noun": lambda verb, noun: noun,
    "verb": lambda verb, noun: verb,
}
Classes = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Gold:
    """Narrations of a file, one per row, with the annotators' verb and noun classes."""

    texts: list[str]
    verbs: Classes
    nouns: Classes


def measure(data: Path) -> list[dict[str, object]]:
    """Return precision, recall and F1 of every dictionary and rule on every file found."""
    figures = []
    for file, gold in gold_sets(data):
        distinct = sorted(set(gold.texts))
        for name, build in DICTIONARIES.items():
            tags = dict(zip(distinct, tag_texts(distinct, build(distinct)), strict=True))
            verbs, nouns = zip(*(tags[text] for text in gold.texts), strict=True)
            for rule, (precision, recall, f1) in scores(verbs, nouns, gold).items():
                what = f"{file}, {name}, {rule}"
                figures.append(figure(f"{what}: precision", precision, ""))
                figures.append(figure(f"{what}: recall", recall, ""))
                target = TARGET if (name, rule) == (OURS, "and") else None
                figures.append(figure(f"{what}: F1", f1, "", target))
    return figures


def gold_sets(data: Path) -> Iterator[tuple[str, Gold]]:
    """Yield name and narrations of each file, with the classes that people gave or that their taxonomy gives."""
    for file in FILES:
        yield Path(file).name.split(".")[0], read_gold(data / file)
    ego4d = load_lexicon(data / "ego4d-taxonomy")
    rows = pd.read_csv(data / EGOEXOLEARN)
    rows = rows[[zlib.crc32(uid.encode()) % 2 == 1 for uid in rows["video_uid"]]]
    texts = rows["narration_en"].tolist()
    classes = (rows[name].map(ast.literal_eval).tolist() for name in ("verb", "noun"))
    yield "EgoExoLearn, the other half of the videos", Gold(texts, *classes)
    yield "EgoExoLearn, the other half of the videos, by Ego4D's taxonomy", tagged(texts, ego4d)
    steps = [*_step_texts(json.loads(gzip.decompress((data / GOALSTEP).read_bytes()))["videos"])]
    yield "Goal-Step, by Ego4D's taxonomy", tagged(steps, ego4d)
    recipes = json.loads(gzip.decompress((data / HD_EPIC).read_bytes())).values()
    lexicon = Lexicon(*(read_classes(data / file) for file in HD_CLASSES))
    yield (
        "HD-EPIC's recipes, by its classes",
        tagged([text for one in recipes for text in one["steps"].values()], lexicon),
    )


def tagged(texts: list[str], lexicon: Lexicon) -> Gold:
    """Take the tags of a taxonomy that people made as gold: what is measured then is the grouping of words alone."""
    distinct = sorted(set(texts))
    tags = dict(zip(distinct, tag_texts(distinct, lexicon), strict=True))
    verbs, nouns = zip(*(tags[text] for text in texts), strict=True)
    return Gold(texts, verbs, nouns)


def _step_texts(steps: Iterable[dict]) -> Iterator[str]:
    for step in steps:
        if "step_description" in step:
            yield step["step_description"]
        yield from _step_texts(step.get("segments", ()))


def read_gold(path: Path) -> Gold:
    """Read narrations and classes of an EPIC-KITCHENS csv, the verb put as Ego4D has it ("#C C takes plate")."""
    with gzip.open(path, "rt", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return Gold(
        texts=[_third_person(row["narration"], row["verb"]) for row in rows],
        verbs=[[int(row["verb_class"])] for row in rows],
        nouns=[ast.literal_eval(row["all_noun_classes"]) for row in rows],
    )


def _third_person(narration: str, verb: str) -> str:
    first, *rest = narration.split()
    if first == verb.split("-")[0]:
        if first.endswith(("s", "x", "z", "ch", "sh", "o")):
            first += "es"
        else:
            first = first[:-1] + "ies" if first.endswith("y") and first[-2:-1] not in "aeiou" else first + "s"
    return " ".join(["#C C", first, *rest])


def scores(verbs: Classes, nouns: Classes, gold: Gold) -> dict[str, tuple[float, float, float]]:
    """Return (precision, recall, F1) over all pairs of different rows, for each rule of RULES.

    Rows with the same classes, found and true, are one row with a weight, so the count over all pairs is exact.
    """
    kinds = Counter(zip(*(map(tuple, part) for part in (verbs, nouns, gold.verbs, gold.nouns)), strict=True))
    weight = np.array(list(kinds.values()), dtype=np.float64)
    verb, noun, true_verb, true_noun = (shared(part) for part in zip(*kinds, strict=True))
    found = {rule: of(verb, noun) for rule, of in RULES.items()}
    true = {rule: of(true_verb, true_noun) for rule, of in RULES.items()}
    return {rule: _precision_recall_f1(found[rule], true[rule], weight) for rule in RULES}


def shared(classes: Classes) -> np.ndarray:
    """Tell which rows have a class in common, (rows, rows) bool."""
    has = np.zeros((len(classes), 1 + max(max(row, default=0) for row in classes)), dtype=np.float32)
    for row, members in enumerate(classes):
        has[row, list(members)] = 1
    return has @ has.T > 0


def _precision_recall_f1(found: np.ndarray, true: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    right, positive, wanted = (_pairs(matrix, weight) for matrix in (found & true, found, true))
    return right / max(positive, 1), right / max(wanted, 1), 2 * right / max(positive + wanted, 1)


def _pairs(matrix: np.ndarray, weight: np.ndarray) -> float:
    """Count the ordered pairs of different rows that a matrix over weighted rows marks."""
    return float(weight @ (matrix @ weight) - weight @ np.diag(matrix))


def _baseline(keys: Callable[[str, str], Iterable[Hashable]]) -> Callable[[list[str]], Lexicon]:
    """Return a builder that merges, through any number of words, all that have a key in common."""

    def build(texts: list[str]) -> Lexicon:
        words = count_words(parse(texts))
        return Lexicon(_merged(words.verbs, VERB, keys), _merged(words.nouns, NOUN, keys))

    return build


def _merged(counts: Counter[str], part: str, keys: Callable[[str, str], Iterable[Hashable]]) -> Taxonomy:
    group_of: dict[Hashable, list[str]] = {}
    groups: list[list[str]] = []
    for word in sorted(word for word in counts if counts[word] >= MIN_COUNT):
        mine = list(keys(word, part))
        touched = {id(group_of[key]): group_of[key] for key in mine if key in group_of}
        joined = [word, *(other for group in touched.values() for other in group)]
        groups = [group for group in groups if id(group) not in touched] + [joined]
        for key in [key for key, group in group_of.items() if id(group) in touched] + mine:
            group_of[key] = joined
    return taxonomy([min(group) for group in groups], groups)


def _any_sense(word: str, part: str) -> Iterable[Hashable]:
    return [word, *(sense.name() for sense, _ in senses(word, part))]


def _first_sense(word: str, part: str) -> Iterable[Hashable]:
    return [sense.name() for sense, _ in senses(word, part)[:1]] or [word]


OURS = "WordNet and use"
DICTIONARIES: dict[str, Callable[[list[str]], Lexicon]] = {
    OURS: build_lexicon,
    "base forms": _baseline(lambda word, part: [word]),
    "any shared sense": _baseline(_any_sense),
    "same first sense": _baseline(_first_sense),
}


def main() -> None:
    """Measure the files of the folder given, or of ../shared/data, and keep the figures."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    absent = [name for name in (*FILES, EGOEXOLEARN, GOALSTEP, HD_EPIC, *HD_CLASSES) if not (data / name).is_file()]
    if absent:
        sys.exit(f"{data}: no {absent[0]}; give the folder that holds it")
    write_record("dictionaries", measure(data))


if __name__ == "__main__":
    main()
