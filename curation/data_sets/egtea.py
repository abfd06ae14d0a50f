"""EGTEA Gaze+: the trimmed clips of its splits, by the times in their names."""

from __future__ import annotations

import gzip
import re
import zlib

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files
from egocurate.curation.labels.label_names import read_names
from egocurate.curation.segments.segments import Segments
from egocurate.curation.text.marks import ACTOR
from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

SPLITS = {"train_split1.txt": "train", "test_split1.txt": "test"}
NAMES = {"action": "action_idx.txt", "verb": "verb_idx.txt", "noun": "noun_idx.txt"}
_CLIP = re.compile(r"(?P<video>.+)-(?P<start>[0-9]{1,9})-(?P<end>[0-9]{1,9})-F[0-9]+-F[0-9]+")
# With an article a noun is taken for no verb: "spread bread and the eating utensil".
_WRITTEN = str.maketrans({"_": " ", ",": " and the ", "/": " or "})
_FROM = "get the action annotations from cbs.ic.gatech.edu/fpv"


def read_egtea(root: AnyPath) -> Segments:
    """Return the clips of train_split1.txt and test_split1.txt with the actions that action_idx.txt names.

    A clip's name ends in its start and end in milliseconds and in frames of the whole video; its action, its verb and
    its nouns are numbers after it. Labels are the action, the verb, and the noun where there is one alone. The text is
    what the camera wearer does: "Put bread,bread_container" is "#C C put bread and the bread container". Raises
    InputError, naming the line, for a name that does not end so, or whose action is not listed.
    """
    files = find_files(root, tuple(SPLITS), _FROM)
    folder = root.parent if root.is_file() else root
    lists = {kind: find_files(folder, (name,), _FROM, is_needed=kind == "action") for kind, name in NAMES.items()}
    names = {kind: _numbered(found[0]) for kind, found in lists.items() if found}
    actions = {str(number): name for number, name in enumerate(names["action"]) if name != str(number)}
    rows = SegmentRows()
    for path in files:
        split = SPLITS.get(path.name.removesuffix(".gz"), "")
        for count, line in enumerate(_lines(path), 1):
            clip, action, verb, *nouns = [*line.split(), "", "", ""]
            match = _CLIP.fullmatch(clip)
            if match is None or action not in actions:
                listed = lists["action"][0].name
                raise InputError(f"{path}: line {count} is {line[:80]!r}, not a clip and a number of {listed}")
            times = int(match["start"]) / 1000, int(match["end"]) / 1000
            known = [noun for noun in nouns if noun]
            labels = {"label_action": action, "label_verb": verb, "label_noun": known[0] if len(known) == 1 else ""}
            text = ACTOR + actions[action].lower().translate(_WRITTEN)
            rows.add(f"{path.name}: line {count}", match["video"], *times, text, split=split, **labels)
    return rows.segments(root, [*files, *(found[0] for found in lists.values() if found)], names=names)


def _numbered(path: AnyPath) -> list[str]:
    """Return the names of a list, "Cut onion 2" on a line, by their numbers, which begin at 1."""
    names = read_names(path)
    if names[0] != "0":
        raise InputError(f"{path}: is no list of names, each with its number from 1 on behind it; {_FROM}")
    return names


def _lines(path: AnyPath) -> list[str]:
    data = read_bytes(path, TABLE_BYTES)
    try:
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        return [line for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is no text ({error}); fetch it again") from error
