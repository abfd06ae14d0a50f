"""WordNet 3.0, nouns and verbs, through NLTK's reader and without a download."""

import re
import shutil
import tempfile
import warnings
import zipfile
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from egocurate.errors import InputError
from egocurate.storage.mapped_columns import cache_folder

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

_ZIP = Path(__file__).parents[1] / "data" / "wordnet.zip"
_IN_ZIP = "corpora/wordnet"
_FIRST_SENSE = re.compile(rb"^([^\s_]+) n [^\n]*? (\d{8}) ", re.MULTILINE)


class Kind(StrEnum):
    """WordNet's file of a sense, as far as it tells who acts and what is eaten."""

    ANIMAL = "05"
    FOOD = "13"
    PERSON = "18"
    PLANT = "20"
    OTHER = ""


@cache
def wordnet() -> "WordNetCorpusReader":
    """Return NLTK's WordNet reader, over the user's own corpora/wordnet if it is there, else over ours."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    try:
        root = nltk.data.find(_IN_ZIP)
    except LookupError:
        nltk.data.path.append(str(unpacked(wordnet_folder())))
        root = nltk.data.find(_IN_ZIP)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions are not available")
        return WordNetCorpusReader(root, omw_reader=None)


@cache
def exceptions(part: str) -> dict[str, tuple[str, ...]]:
    """Return WordNet's irregular forms of `part` ("noun" or "verb"): inflected form -> base forms."""
    lines = _file(f"{part}.exc").decode().splitlines()
    return {words[0]: tuple(words[1:]) for words in map(str.split, lines)}


@cache
def sense_counts() -> dict[str, tuple[int, int]]:
    """Return how often running text has each word as a noun and as a verb; words that it never has are left out."""
    counts: dict[str, list[int]] = {}
    for line in _file("cntlist.rev").decode().splitlines():
        key, _, count = line.split()  # "dog%1:05:00:: 1 42": 1 says noun, 2 verb
        word, _, sense = key.partition("%")
        if sense[0] in "12":
            counts.setdefault(word, [0, 0])[int(sense[0]) - 1] += int(count)
    return {word: (noun, verb) for word, (noun, verb) in counts.items()}


def is_verb(base: str) -> bool:
    """Tell whether WordNet has a word as a verb."""
    return base in _verbs()


def is_noun(base: str) -> bool:
    """Tell whether WordNet has a word as a noun."""
    return base in _noun_kinds()


def noun_kind(base: str) -> Kind:
    """Tell what kind of thing the first sense of a noun is."""
    return _noun_kinds().get(base, Kind.OTHER)


@cache
def _verbs() -> frozenset[str]:
    return frozenset(line.split(" ", 1)[0] for line in _file("index.verb").decode().splitlines())


@cache
def _noun_kinds() -> dict[str, Kind]:
    kinds = {kind.value: kind for kind in Kind}
    found = {}
    data = _file("data.noun")
    # "dog n 7 5 @ ~ #m #p %p 7 1 02084071 ...": the first eight digits are the place of the first sense, which begins
    # "02084071 05 n": 05 is its kind.
    for noun, place in _FIRST_SENSE.findall(_file("index.noun")):
        at = int(place)
        found[noun.decode()] = kinds.get(data[at + 9 : at + 11].decode(), Kind.OTHER)
    return found


def _file(name: str) -> bytes:
    with zipfile.ZipFile(_ZIP) as archive:
        return archive.read(f"{_IN_ZIP}/{name}")


def wordnet_folder() -> Path:
    """Return where the data is unpacked, in the toolkit's cache."""
    return cache_folder() / "wordnet-3.0"


def unpacked(folder: Path) -> Path:
    """Unpack the data into `folder` unless it is there; other processes may do the same; raises InputError."""
    with zipfile.ZipFile(_ZIP) as archive:
        if not folder.exists():
            try:
                _unpack(archive, folder)
            except OSError as error:
                raise InputError(
                    f"{folder}: cannot unpack WordNet here ({error}); set XDG_CACHE_HOME to a folder you own"
                ) from error
        for member in archive.infolist():
            path = folder / member.filename
            if not path.is_file() or path.stat().st_size != member.file_size:
                raise InputError(f"{path}: damaged; remove the folder {folder}, it is unpacked again at the next run")
    return folder


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temp = Path(tempfile.mkdtemp(prefix=".part-wordnet-", dir=folder.parent))
    try:
        archive.extractall(temp)
        # NLTK reads nothing from folders that another account may write to, whatever the user's umask is.
        for path in [temp, *temp.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            temp.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster, else a real error
                raise
    finally:
        shutil.rmtree(temp, ignore_errors=True)
