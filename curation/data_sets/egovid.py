"""EgoVid-5M: clips of Ego4D by their frames, with a model's caption and description."""

from __future__ import annotations

import re

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files
from egocurate.curation.segments.ego4d_videos import find_ego4d_videos
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import decimal
from egocurate.curation.sources.tabular import read_columns
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

FILES = {"egovid-text.csv": "train", "egovid-kinematic.csv": "train", "egovid-val.csv": "val"}
SCORES = ("dover_score", "egovideo_score", "ti_sim", "ii_sim", "flow_mean")
SCORES += ("flow_0_4", "flow_4_8", "flow_8_12", "flow_12_16", "flow_16_")
"""Quality of the picture, fit of clip and text, of frames and text, and of frames and the first one, optical flow."""

FRAMES_PER_SEC = 30.0  # of every canonical video of Ego4D
_CLIP = re.compile(r"(?P<video>.+)_(?P<start>[0-9]{1,9})_(?P<end>[0-9]{1,9})(\.mp4)?")
_FROM = "get it as github.com/JeffWang987/EgoVid says (the videos are Ego4D's)"


def read_egovid(root: AnyPath) -> Segments:
    """Return the clips of egovid-text.csv, -kinematic.csv and -val.csv, or of one file: uid_startframe_endframe.

    The text is the action's name, and the caption of llava_cap a further one; a clip without a name has the caption.
    A clip that several files list counts once. The quality of a clip is in score_<name>, for each of SCORES; of those
    that have a number for each of several frames, ti_sim and ii_sim, it is the mean. Videos that an ego4d.json beside
    them holds out are held out. Raises InputError, naming the line, for another video_id.
    """
    # Validation first: a clip that several files list is held out if it is in one of them.
    files = sorted(find_files(root, tuple(FILES), _FROM), key=lambda path: _split_of(path) != "val")
    rows, seen = SegmentRows(), set()
    for path in files:
        table = read_columns(path, ("video_id",), ("name", "llava_cap", *SCORES))
        scores = {f"score_{name}": table[name].map(_score) for name in SCORES if name in table.columns}
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            match = _CLIP.fullmatch(row["video_id"])
            if match is None:
                raise InputError(f"{path}: line {line}: video_id has {row['video_id']!r}, not uid_startframe_endframe")
            if match.group("video", "start", "end") in seen:
                continue
            seen.add(match.group("video", "start", "end"))
            texts = [text for name in ("name", "llava_cap") if (text := row.get(name, "").strip())]
            times = int(match["start"]) / FRAMES_PER_SEC, int(match["end"]) / FRAMES_PER_SEC
            said = {"captions": texts[1:], "kind": "caption", "split": _split_of(path)}
            said |= {name: column[line] for name, column in scores.items()}
            rows.add(f"{path.name}: line {line}", match["video"], *times, texts[0] if texts else "", **said)
    return rows.segments(root, files, ego4d=find_ego4d_videos(root, files))


def _split_of(path: AnyPath) -> str:
    return FILES.get(path.name.removesuffix(".gz"), "")


def _score(cell: str) -> float:
    """Return a number, the mean of numbers with commas between them, as those of frames, or NaN."""
    parts = [decimal(part) for part in cell.strip("[] ").split(",")]
    return sum(parts) / len(parts)
