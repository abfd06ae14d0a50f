"""Speech with its times, as HowTo100M's caption.json and its sentencified kin have it."""

from __future__ import annotations

from egocurate.curation.data_sets.annotation_files import SegmentRows, read_json
from egocurate.curation.segments.segments import Segments
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath


def read_speech(path: AnyPath) -> Segments:
    """Return what is said in each video of a JSON file of {video: {start: [...], end: [...], text: [...]}}, in seconds.

    Speech is of a person and often of something else than what is seen. Raises InputError for lists that differ in
    length, and for another file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a JSON file as HowTo100M's caption.json")
    videos = read_json(path)
    rows = SegmentRows()
    for uid, said in videos.items() if isinstance(videos, dict) else ():
        lists = [said.get(name) if isinstance(said, dict) else None for name in ("start", "end", "text")]
        if not all(isinstance(one, list) for one in lists) or len({len(one) for one in lists}) != 1:
            raise InputError(f"{path}: {uid!r} has no start, end and text of one length")
        for count, (start, end, text) in enumerate(zip(*lists, strict=True), 1):
            rows.add(f"{uid}, sentence {count}", uid, start, end, text, narration_source="speech")
    return rows.segments(path, [path])
