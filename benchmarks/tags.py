"""Tags against the classes that people gave: `python -m benchmarks.tags [DATA]`.

DATA is ../shared/data beside the repository unless given. EPIC-KITCHENS-100 narrations in Ego4D's form are tagged with
EPIC's classes as the taxonomy; its gold has one verb a row. EgoExoLearn's narrations come with that project's own tags
in Ego4D's taxonomy: a third party's tags, so that this is agreement and not accuracy. The labelled narrations and the
subjects with their predicates are ours (see `tests/curation/text/test_labelled_narrations.py`): labelled before they
were tagged, and mistakes were looked at in one half alone, drawn by a hash of the text.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.record import figure, write_record
from egocurate.curation.text.tagger import Tags, tag_texts
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, load_lexicon

DATA = Path(__file__).parents[2] / "shared" / "data"
EPIC = ("source_train", "source_val", "target_val")
LABELLED = Path(__file__).parents[1] / "tests" / "curation" / "text"
MARKS = ("#C", "#O", "")
VERB_F1, NOUN_F1, TEXTS_PER_SEC, RECALL = ">= 0.98", ">= 0.985", ">= 2500", ">= 0.95"
Classes = list[frozenset[int]]


def measure(data: Path, scratch: Path) -> list[dict[str, object]]:
    """Tag the narrations below `data`, with `scratch` for EPIC's files in Ego4D's form; all F1 are micro, over rows."""
    figures = []
    for name in EPIC:
        figures += _epic(data, name, scratch / name)
    lexicon = load_lexicon(data / "ego4d-taxonomy")
    return figures + _labelled(lexicon) + _whoever_acts(lexicon) + _egoexolearn(data, lexicon)


def _epic(data: Path, name: str, root: Path) -> list[dict[str, object]]:
    tool = data.parent / "tools" / "epic_to_ego4d_root.py"
    labels = data / "epic-kitchens-100" / f"EPIC_100_uda_{name}.csv.gz"
    subprocess.run([sys.executable, tool, "--csv", labels, "--out", root], check=True, stdout=subprocess.DEVNULL)
    gold = pd.read_csv(root / "gold.csv")
    lexicon = load_lexicon(root / "v2" / "annotations")
    texts = sorted(set(gold["clip_text"]))
    tag_texts(texts[:10], lexicon)  # loads the English model
    began = time.process_time()
    tags = dict(zip(texts, tag_texts(texts, lexicon), strict=True))
    rate = len(texts) / (time.process_time() - began)
    verbs, nouns = _found([tags[text] for text in gold["clip_text"]])
    of = f"EPIC {name}, {len(gold)} rows, {len(texts)} texts"
    return [
        figure(f"verb F1, {of}", f1(verbs, [frozenset((one,)) for one in gold["gold_verb"]]), "", VERB_F1),
        figure(f"noun F1, {of}", f1(nouns, _lists(gold["gold_nouns"])), "", NOUN_F1),
        figure(f"distinct texts, processor time, {of}", rate, "texts/s/core", TEXTS_PER_SEC),
    ]


def _labelled(lexicon: Lexicon) -> list[dict[str, object]]:
    rows = pd.read_csv(LABELLED / "labelled_narrations.csv", keep_default_na=False)
    drawn = rows["text"].map(lambda text: zlib.crc32(text.encode()) % 2)
    figures = []
    for half, name in enumerate(("the half whose mistakes were looked at", "the other half")):
        part = rows[drawn == half]
        verbs, nouns = _found(tag_texts(list(part["text"]), lexicon))
        of = f"narrations labelled by hand, {name}, {len(part)} texts"
        figures += [
            figure(f"verb F1, {of}", f1(verbs, _classes(part["verbs"], lexicon.verbs)), "", VERB_F1),
            figure(f"noun F1, {of}", f1(nouns, _classes(part["nouns"], lexicon.nouns)), "", VERB_F1),
        ]
    return figures


def _whoever_acts(lexicon: Lexicon) -> list[dict[str, object]]:
    rows = pd.read_csv(LABELLED / "subjects_and_predicates.csv", keep_default_na=False)
    subjects = [one for one in rows["subject"] if one]
    acts = rows[rows["predicate"] != ""]
    gold = _classes(acts["verb"], lexicon.verbs) * len(subjects)
    figures = []
    for mark in MARKS:
        texts = [f"{mark} {subject} {act}".strip() for subject in subjects for act in acts["predicate"]]
        verbs, _ = _found(tag_texts(texts, lexicon))
        recall = sum(one <= found for one, found in zip(gold, verbs, strict=True)) / len(gold)
        of = f"{len(subjects)} subjects x {len(acts)} predicates, {mark or 'no mark'}"
        figures.append(figure(f"recall of the verb, {of}", recall, "", RECALL))
    return figures


def _classes(labels: Iterable[str], part: Taxonomy) -> Classes:
    """Return the classes of labels such as "man|cup"; those that the taxonomy lacks count for nothing."""
    return [frozenset(part.forms[one][0] for one in row.split("|") if one in part.forms) for row in labels]


def _egoexolearn(data: Path, lexicon: Lexicon) -> list[dict[str, object]]:
    rows = pd.read_csv(data / "egoexolearn" / "association_exo_train.csv.gz")
    verbs, nouns = _found(tag_texts(list(rows["narration_en"]), lexicon))
    return [
        *_agreement("verbs", verbs, _lists(rows["verb"], len(lexicon.verbs))),
        *_agreement("nouns", nouns, _lists(rows["noun"], len(lexicon.nouns))),
        *_agreement("nouns less hand, pot", *_without_disputed(nouns, rows["noun"], lexicon)),
    ]


def _without_disputed(nouns: Classes, theirs: Iterable[str], lexicon: Lexicon) -> tuple[Classes, Classes]:
    """Leave out hand, which they never tag, and pot, which they file under `pot_(planter)`."""
    disputed = {row for row, label in enumerate(lexicon.nouns.labels) if label.split("_(")[0] in ("hand", "pot")}
    return [one - disputed for one in nouns], [one - disputed for one in _lists(theirs, len(lexicon.nouns))]


def _agreement(what: str, ours: Classes, theirs: Classes) -> list[dict[str, object]]:
    of = f"EgoExoLearn {what}, {len(ours)} rows"
    overlap = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in zip(ours, theirs, strict=True)]
    same = [a == b for a, b in zip(ours, theirs, strict=True)]
    return [
        figure(f"agreement F1, {of}", f1(ours, theirs), ""),
        figure(f"rows with the same classes, {of}", sum(same) / len(same), ""),
        figure(f"mean overlap (intersection over union), {of}", sum(overlap) / len(overlap), ""),
    ]


def f1(found: Classes, gold: Classes) -> float:
    """Return the micro F1 of class sets, row by row."""
    both = sum(len(a & b) for a, b in zip(found, gold, strict=True))
    return 2 * both / (sum(map(len, found)) + sum(map(len, gold)))


def _found(tags: Sequence[Tags]) -> tuple[Classes, Classes]:
    return [frozenset(verbs) for verbs, _ in tags], [frozenset(nouns) for _, nouns in tags]


def _lists(column: Iterable[str], limit: int = sys.maxsize) -> Classes:
    return [frozenset(one for one in ast.literal_eval(row) if one < limit) for row in column]


def main() -> None:
    """Measure, print and record; exit with one line if the data is not there."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not (data / "epic-kitchens-100").is_dir():
        sys.exit(f"{data}: no epic-kitchens-100 in it; give the folder that holds epic-kitchens-100 and egoexolearn")
    with tempfile.TemporaryDirectory() as scratch:
        write_record("tags", measure(data, Path(scratch)))


if __name__ == "__main__":
    main()
