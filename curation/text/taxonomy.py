"""The two taxonomies that give verbs and nouns their classes, as `label,group` csv files."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from egocurate.curation.text.inflection import noun_bases
from egocurate.errors import InputError
from egocurate.literal_lists import word_list
from egocurate.storage.atomic import atomic_write
from egocurate.storage.csv_file import read_csv
from egocurate.storage.paths import AnyPath, as_path, make_folder

VERB_FILE = "narration_verb_taxonomy.csv"
NOUN_FILE = "narration_noun_taxonomy.csv"
_GENERAL = 3  # classes that a general word's compounds name


@dataclass(frozen=True)
class Taxonomy:
    """Classes of words: `labels[c]` names class c, `forms[words]` lists its classes, the preferred first.

    A form that stands in several groups belongs to the group whose label begins with it, else to one whose label names
    it in its parentheses, else to one that has it in the singular, too, else to the first row: `lift` is the class
    `lift`, not `take_(pick,_grab,_get)`.
    """

    labels: list[str]
    forms: dict[str, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Lexicon:
    """The verb and the noun taxonomy of a run."""

    verbs: Taxonomy
    nouns: Taxonomy


@lru_cache(maxsize=1 << 16)
def form_words(text: str) -> tuple[str, ...]:
    """Split a form or a token into lower-case words at all but letters, digits and inner apostrophes, without 's."""
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", re.sub(r"['’]s\b", "", text.lower())))


def taxonomy(labels: list[str], groups: Iterable[Iterable[str]]) -> Taxonomy:
    """Build a taxonomy from labels and the member words of each; a label that no group names is a form of its class."""
    members: dict[str, set[int]] = {}
    for row, group in enumerate(groups):
        for member in group:
            for form in _forms(member):
                members.setdefault(form, set()).add(row)
    heads = [label_words(label) for label in labels]
    for row, words in enumerate(heads):
        if words and _taggable(words[0]) and words[0] not in members:
            members[words[0]] = {row}
    forms = {
        form: tuple(sorted(rows, key=lambda row: (_place(form, heads[row]), not _in_singular(form, row, members), row)))
        for form, rows in sorted(members.items())
    }
    return Taxonomy(labels=list(labels), forms=forms)


def load_lexicon(folder: str | AnyPath) -> Lexicon:
    """Read both taxonomy files of a folder; raises InputError for a missing file or a row that is not `label,group`."""
    folder = as_path(folder)
    return Lexicon(verbs=_read(folder / VERB_FILE), nouns=_read(folder / NOUN_FILE))


def write_lexicon(lexicon: Lexicon, folder: str | AnyPath) -> None:
    """Write both taxonomy files so that `load_lexicon` gives the same lexicon back."""
    folder = as_path(folder)
    make_folder(folder)
    for name, part in ((VERB_FILE, lexicon.verbs), (NOUN_FILE, lexicon.nouns)):
        content = _csv_text(part).encode()
        atomic_write(folder / name, lambda stream, content=content: stream.write(content))


def general_words(part: Taxonomy) -> frozenset[str]:
    """Find words that fell into a class by mistake: with its label they name another class, and so with other words.

    Ego4D has "machine" beside "sandpaper", yet a "sandpaper machine" is among its sanders, and a washing machine, a
    sewing machine and others are classes of their own: a machine is no sandpaper.
    """
    kinds: dict[str, set[int]] = {}
    for form, rows in part.forms.items():
        first, _, last = form.rpartition(" ")
        if first and last in part.forms and rows[0] not in part.forms[last]:
            kinds.setdefault(last, set()).add(rows[0])
    return frozenset(word for word, rows in kinds.items() if len(rows) >= _GENERAL and _is_torn(word, rows, part))


def _is_torn(word: str, kinds: set[int], part: Taxonomy) -> bool:
    compounds = (f"{head} {word}" for row in part.forms[word] for head in label_words(part.labels[row])[:1])
    return any(kinds.intersection(part.forms.get(compound, ())) for compound in compounds)


def _csv_text(part: Taxonomy) -> str:
    groups: list[list[str]] = [[] for _ in part.labels]
    for form, rows in part.forms.items():
        for row in rows:
            groups[row].append(form)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", "group"])
    writer.writerows([label, str(sorted(group))] for label, group in zip(part.labels, groups, strict=True))
    return text.getvalue()


def _read(path: AnyPath) -> Taxonomy:
    if not path.is_file():
        raise InputError(f"{path}: no such file; a lexicon folder holds {VERB_FILE} and {NOUN_FILE}")
    table = read_csv(path)
    cells = list(table.select(path, ("label", "group")))
    if not cells:
        raise InputError(f"{path}: no rows; a taxonomy needs at least one label")
    groups = [_group(path, line, text) for line, (_, text) in zip(table.lines, cells, strict=True)]
    return taxonomy([label for label, _ in cells], groups)


def _group(path: AnyPath, line: int, text: str) -> list[str]:
    group = word_list(text)
    if group is None:
        raise InputError(f"{path}: line {line}: group is {text!r}; write a list of words such as ['take', 'pick up']")
    return group


def _forms(member: str) -> Iterable[str]:
    if "#" in member:  # "sachet of #unsure"
        return
    for alternative in member.split("/"):  # "increase/reduce"
        form = " ".join(form_words(alternative))
        if _taggable(form):
            yield form


def _taggable(form: str) -> bool:
    # Letters are persons (C, O, X, ...) and "unsure" is an annotator's mark that some published groups hold.
    return len(form) > 1 and form != "unsure"


def label_words(label: str) -> list[str]:
    """Head first, then the words in parentheses: "take_(pick,_grab)" -> ["take", "pick", "grab"]."""
    return [" ".join(form_words(part)) for part in re.split(r"[(),/]", label) if form_words(part)]


def _in_singular(form: str, row: int, members: Mapping[str, set[int]]) -> bool:
    first, _, last = form.rpartition(" ")
    return any(row in members.get(f"{first} {base}".strip(), ()) for base in noun_bases(last)[1:])


def _place(form: str, label_words: list[str]) -> int:
    if label_words and form == label_words[0]:
        return 0
    return 1 if form in label_words else 2
