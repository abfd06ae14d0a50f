"""What the readers of classes make of broken files: taxonomies, and the lists that stand in cells of csv files."""

import ast
import csv
import io
import warnings
from pathlib import Path
from random import Random

from egocurate.curation.egomcq.check import check_egomcq
from egocurate.curation.sources.metadata import read_manifest
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE, Lexicon, load_lexicon, taxonomy, write_lexicon
from egocurate.errors import InputError
from tests.fuzz.broken import broken_bytes
from tests.fuzz.broken_tables import broken_csv, csv_bytes
from tests.fuzz.harness import Target

VERBS = [
    ["label", "group"],
    ["take_(pick,_grab,_get)", "['take', 'pick up', \"don't\", 'grab']"],
    ["put_(place,_leave,_drop)", "['put', 'place']"],
    ["lift", "['lift', 'raise', 'lift é']"],
]
NOUNS = [["label", "group"], ["cup_(glass,_mug)", "['cup', 'mugs', 'glass']"], ["plate", "[]"], ["#unsure", "['x']"]]
LISTS = ["['take', 'pick up', \"don't\"]", "[93, 2]", "[]", "[0]", "['é', '\\n', 'a\\'b']"]
LIST_TOKENS = (
    b"[" * 60,
    b"[" * 9000,
    b"-" * 9000,
    b"(" * 300,
    b"{",
    b"}",
    b"'",
    b'"',
    b"\\",
    b"\\N{SPACE}",
    b",",
    b"]",
)
LIST_TOKENS += (
    b"1e9",
    b"9" * 5000,
    b"0x1",
    b"1_0",
    b"1j",
    b"None",
    b"True",
    b"b'a'",
    b"\x00",
    "１".encode(),
    b"# a",
    b"\n",
)


def literal(text: str) -> object:
    """What Python reads in a text; None for what is no literal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None


def words_of(text: str) -> list[str] | None:
    value = literal(text)
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


def classes_of(text: str) -> set[int] | None:
    value = literal(text)
    is_list = isinstance(value, list) and all(type(number) is int and 0 <= number < 2**31 for number in value)
    return set(value) if is_list else None


def test_taxonomies(tmp_path: Path, clean):
    (tmp_path / VERB_FILE).write_bytes(csv_bytes(VERBS))

    def read(data: bytes) -> Lexicon:
        (tmp_path / NOUN_FILE).write_bytes(data)
        lexicon = load_lexicon(tmp_path)
        write_lexicon(lexicon, tmp_path / "again")
        assert load_lexicon(tmp_path / "again") == lexicon, "what was written is read otherwise"
        return lexicon

    def right(data: bytes, found: Lexicon) -> bool:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        header, *rows = filter(None, csv.reader(text, strict=True))
        if any(len(row) != len(header) for row in rows) or header.count("label") * header.count("group") != 1:
            return False
        labels = [row[header.index("label")] for row in rows]
        groups = [words_of(row[header.index("group")]) for row in rows]
        return None not in groups and found.nouns == taxonomy(labels, groups)

    clean(Target("taxonomies", [VERBS, NOUNS], broken_csv, read, right), 400)


def broken_list(rng: Random, text: str) -> str:
    return broken_bytes(rng, text.encode(), LIST_TOKENS).decode("utf-8", "surrogateescape")


def test_lists_of_words(tmp_path: Path, clean):
    (tmp_path / VERB_FILE).write_bytes(csv_bytes(VERBS))

    def read(text: str) -> str:
        (tmp_path / NOUN_FILE).write_bytes(
            csv_bytes([["label", "group"], ["cup", "[]"], ["x", text.replace("\r", "")]])
        )
        return repr(load_lexicon(tmp_path).nouns)

    def right(text: str, found: str) -> bool:
        words = words_of(text.replace("\r", ""))
        return words is not None and found == repr(taxonomy(["cup", "x"], [[], words]))

    clean(Target("lists of words", LISTS, broken_list, read, right), 300)


def test_lists_of_scenarios(tmp_path: Path, clean):
    path = tmp_path / "manifest.csv"

    def read(text: str) -> list[str]:
        path.write_bytes(csv_bytes([["video_uid", "scenarios"], ["a", text.replace("\r", "")]]))
        return list(read_manifest(path).videos["a"].scenarios)

    def right(text: str, found: list[str]) -> bool:
        text = text.replace("\r", "")
        words = words_of(text)
        if words is None or (found == [text] != [repr(words)]):  # not as Python prints it: the name of one scenario
            return found == ([text] if text.strip() else [])
        return found == words

    clean(Target("lists of scenarios", LISTS, broken_list, read, right), 300)


def test_lists_of_classes(clean):
    def item(number: int, tags: str) -> dict:
        times = {
            "video_dur": 60.0,
            "narration_time": 2.0 + number,
            "clip_start": 1.0 + number,
            "clip_end": 3.0 + number,
        }
        words = {"video_uid": f"v{number}", "narration_source": "narration_pass_1", "clip_text": f"#C C takes {number}"}
        return {**times, **words, "narration_ind": number, "tag_verb": tags, "tag_noun": f"[{number}]"}

    def read(text: str) -> str:
        choices = {str(place): item(place, text) for place in range(5)}
        problems = check_egomcq({"0": {"query": choices["0"], "answer": 0, "choices": choices, "types": 1}})
        refused = next((problem for problem in problems if "tag_verb" in problem), None)
        if refused:
            raise InputError(refused)
        return text

    def right(text: str, found: str) -> bool:
        return classes_of(text) is not None

    clean(Target("lists of classes", LISTS, broken_list, read, right), 300)
