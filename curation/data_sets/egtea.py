"""EGTEA Gaze+: the trimmed clips of its splits, by the times in their names."""

from __future__ import annotations

import gzip
import re
import zlib

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files
from egocurate.curation.segments.segments import Segments
from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

SPLITS = {"train_split1.txt": "train", "test_split1.txt": "test"}
_CLIP = re.compile(r"(?P<video>.+)-(?P<start>[0-9]{1,9})-(?P<end>[0-9]{1,9})-F[0-9]+-F[0-9]+")
_FROM = "get the action annotations from cbs.ic.gatech.edu/fpv"


def read_egtea(root: AnyPath) -> Segments:
    """Return the clips of train_split1.txt and test_split1.txt with the actions that action_idx.txt names.

    A clip's name ends in its start and end in milliseconds and in frames of the whole video. Raises InputError,
    naming the line, for one that does not, or whose action is not listed.
    """
    files = find_files(root, tuple(SPLITS), _FROM)
    folder = root.parent if root.is_file() else root
    names = find_files(folder, ("action_idx.txt",), _FROM)
    actions = {}
    for line in _lines(names[0]):
        text, _, index = line.rpartition(" ")
        actions[index] = text.strip()
    rows = SegmentRows()
    for path in files:
        split = SPLITS.get(path.name.removesuffix(".gz"), "")
        for count, line in enumerate(_lines(path), 1):
            clip, action, *_ = [*line.split(), "", ""]
            match = _CLIP.fullmatch(clip)
            if match is None or action not in actions:
                raise InputError(f"{path}: line {count} is {line[:80]!r}, not a clip and a number of {names[0].name}")
            times = int(match["start"]) / 1000, int(match["end"]) / 1000
            rows.add(f"{path.name}: line {count}", match["video"], *times, actions[action], split=split)
    return rows.segments(root, [*files, names[0]])


def _lines(path: AnyPath) -> list[str]:
    data = read_bytes(path, TABLE_BYTES)
    try:
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        return [line for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is no text ({error}); fetch it again") from error
