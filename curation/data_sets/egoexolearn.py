"""EgoExoLearn: fine narrations with start and end, and the coarse steps of its l1 folder."""

from __future__ import annotations

from collections import Counter

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files, read_json
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import decimal
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE, load_lexicon
from egocurate.errors import InputError
from egocurate.literal_lists import class_list
from egocurate.storage.paths import AnyPath

FINE = ("fine_annotation_*.csv", "*exo_*.csv", "*ego_*.csv")
_TIMED = ("narration_en", "start_sec", "end_sec")
_SETS = {"label_verb": "verb", "label_noun": "noun"}
_SPLITS = {"train": "train", "val": "val", "test": "test"}
_FROM = "clone github.com/OpenGVLab/EgoExoLearn (MIT)"


def read_egoexolearn(root: AnyPath) -> Segments:
    """Return the English narrations of the csv files (pass "fine") and of l1/<video>.json (pass "coarse").

    Files that repeat a segment, as those of its benchmarks do, give it once; files without narrations, as those of the
    test videos, are not read. A narration has a set of verbs and one of nouns, without an order: its labels are known
    where a set has one class. Raises InputError for a file that is not as published.
    """
    files = find_files(root, FINE, _FROM)
    rows, read = SegmentRows(), []
    seen: dict[tuple, dict | None] = {}
    for path in files:
        table = read_columns(path, ("video_uid",), (*_TIMED, "subset", *_SETS.values()))
        if not set(_TIMED) <= set(table.columns):
            continue
        read.append(path)
        in_file: Counter[tuple] = Counter()  # a file may have a segment twice
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            times = decimal(row["start_sec"]), decimal(row["end_sec"])
            segment = row["video_uid"], *(round(time, 3) for time in times), row["narration_en"]
            in_file[segment] += 1
            key = *segment, in_file[segment]
            labels = {kind: _one_class(row.get(name, "")) for kind, name in _SETS.items()}
            if key not in seen:
                said = {"narration_source": "fine", "split": _SPLITS.get(row.get("subset", ""), "")} | labels
                seen[key] = rows.add(f"{path.name}: line {line}", row["video_uid"], *times, row["narration_en"], **said)
            elif seen[key] is not None:
                seen[key].update({kind: label for kind, label in labels.items() if label})
    if not read:
        raise InputError(f"{files[0]}: has no columns {', '.join(_TIMED)}; {_FROM}")
    coarse = [] if root.is_file() else find_files(root, ("l1/*.json",), _FROM, is_needed=False)
    for path in coarse:
        steps = read_json(path)
        for count, step in enumerate(steps if isinstance(steps, list) else (), 1):
            if isinstance(step, dict):
                _add_coarse(rows, path, count, step)
    lexicon = None if root.is_file() else _lexicon(root)
    names, taxonomy = {}, []
    if lexicon is not None:
        classes = load_lexicon(lexicon)
        names = {"verb": classes.verbs.labels, "noun": classes.nouns.labels}
        taxonomy = [lexicon / VERB_FILE, lexicon / NOUN_FILE]
    return rows.segments(root, [*read, *coarse, *taxonomy], names=names, lexicon=lexicon)


def _lexicon(root: AnyPath) -> AnyPath | None:
    """Return the folder with the taxonomies, Ego4D's with classes added, that the verbs and nouns are numbered by."""
    verbs = find_files(root, (VERB_FILE,), _FROM, is_needed=False)
    return next((path.parent for path in verbs if (path.parent / NOUN_FILE).is_file()), None)


def _one_class(cell: str) -> str:
    classes = class_list(cell)
    return str(classes[0]) if classes and len(classes) == 1 else ""


def _add_coarse(rows: SegmentRows, path: AnyPath, count: int, step: dict) -> None:
    text = step.get("textAttribute_en")
    folded = " ".join(text.split()) if isinstance(text, str) else ""
    uid = path.name.removesuffix(".gz").removesuffix(".json")
    times = step.get("start"), step.get("end")
    rows.add(f"{path.name}: step {count}", uid, *times, folded, narration_source="coarse")
