"""EgoVid-5M: clips of Ego4D by their frames, with a model's caption and description."""

from __future__ import annotations

import re

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.tabular import read_columns
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

FILES = {"egovid-text.csv": "train", "egovid-kinematic.csv": "train", "egovid-val.csv": "val"}
FRAMES_PER_SEC = 30.0  # of every canonical video of Ego4D
_CLIP = re.compile(r"(?P<video>.+)_(?P<start>[0-9]{1,9})_(?P<end>[0-9]{1,9})(\.mp4)?")
_FROM = "get it from huggingface.co/datasets/Jeff-Wang/EgoVid-5M (Apache-2.0; the videos are Ego4D's)"


def read_egovid(root: AnyPath) -> Segments:
    """Return the clips of egovid-text.csv, -kinematic.csv and -val.csv, or of one file: uid_startframe_endframe.

    The text is the action's name, and the caption of llava_cap a further one; a clip without a name has the caption.
    A clip that several files list counts once. Raises InputError, naming the line, for another video_id.
    """
    files = find_files(root, tuple(FILES), _FROM)
    rows, seen = SegmentRows(), set()
    for path in files:
        table = read_columns(path, ("video_id",), ("name", "llava_cap"))
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            match = _CLIP.fullmatch(row["video_id"])
            if match is None:
                raise InputError(f"{path}: line {line}: video_id has {row['video_id']!r}, not uid_startframe_endframe")
            if match.group("video", "start", "end") in seen:
                continue
            seen.add(match.group("video", "start", "end"))
            texts = [text for name in ("name", "llava_cap") if (text := row.get(name, "").strip())]
            times = int(match["start"]) / FRAMES_PER_SEC, int(match["end"]) / FRAMES_PER_SEC
            said = {"captions": texts[1:], "kind": "caption", "split": FILES.get(path.name.removesuffix(".gz"), "")}
            rows.add(f"{path.name}: line {line}", match["video"], *times, texts[0] if texts else "", **said)
    return rows.segments(root, files)
