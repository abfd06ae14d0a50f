"""`curate captions`: the texts of another file as further captions of an EgoClip's clips."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from egocurate.caption_kinds import CAPTION_KINDS
from egocurate.commands.jobs.cutting import Outcome
from egocurate.commands.output.run_record import locked_run
from egocurate.curation.clips.egoclip import LEXICON, LEXICON_FILES, lexicon_digest
from egocurate.curation.clips.read_clips import find_clips, read_clips
from egocurate.curation.segments.add_captions import AddedCaptions, add_captions
from egocurate.curation.segments.lavila import PICKLES, read_lavila
from egocurate.curation.segments.read_table import read_segments_table
from egocurate.curation.segments.segments import Segments
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon, write_lexicon
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.storage.atomic import atomic_file, atomic_write
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.parquet import row_groups, write_pieces
from egocurate.storage.paths import AnyPath, make_folder

TABLE_FILE, UNMATCHED_FILE = "egoclip.parquet", "unmatched.csv"


@dataclass(frozen=True)
class CaptionOptions:
    """Who wrote the texts of the file, their weight in a draw, and how much of a clip a segment has to overlap."""

    kind: str = "rephrased"
    weight: float = 1.0
    min_overlap: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that cannot be; raises InputError."""
        if self.kind not in CAPTION_KINDS:
            raise InputError(f"--kind {self.kind}: there are {', '.join(CAPTION_KINDS)}")
        if not 0 < self.weight < math.inf:
            raise InputError(f"--weight {self.weight}: give a number above 0; a clip's own text has 1")
        if not 0 < self.min_overlap <= 1:
            raise InputError(f"--min-overlap {self.min_overlap}: give a share above 0, at most 1")


def run_captions(
    egoclip: AnyPath, file: AnyPath, out: AnyPath, options: CaptionOptions, lexicon: AnyPath | None, report: Report
) -> Outcome:
    """Write the clips of an EgoClip with more captions to `out`, and which segments of the file are none of them.

    Raises InputError where nothing tells the classes of the tags, and if no segment is a clip.
    """
    path = find_clips(egoclip)
    classes = _classes(path, lexicon)
    inputs = {"egoclip": fingerprint(path), "captions": fingerprint(file) if file.is_file() else ""}
    with locked_run(out, "captions", asdict(options), inputs | {"lexicon": lexicon_digest(classes)}) as run:
        summary: dict[str, object] = run.describe()
        if not run.done:
            added = add_captions(
                read_clips(path),
                _segments(file, options.kind),
                classes,
                min_overlap=options.min_overlap,
                weight=options.weight,
                report=report,
            )
            if added.counts["unmatched"] == added.counts["segments"]:
                raise InputError(
                    f"{file}: none of its {added.counts['segments']:,} segments is a clip of {path}; its videos must "
                    f"be called as there ({added.unmatched['video_uid'].iloc[0]} is the first), its times in seconds"
                )
            run.finish(added.counts, _write(added, classes, out))
        summary |= run.counts
        if run.counts["unmatched"]:
            summary["unmatched_list"] = str(out / UNMATCHED_FILE)
    return Outcome(summary | {"out": str(out)})


def _segments(file: AnyPath, kind: str) -> Segments:
    if file.suffix in PICKLES:
        return read_lavila(file, kind)
    found = read_segments_table(file)
    return replace(found, table=found.table.assign(kind=kind))


def _classes(path: AnyPath, lexicon: AnyPath | None) -> Lexicon:
    folder = path.parent / LEXICON if lexicon is None else lexicon
    if not folder.exists():
        raise InputError(
            f"{folder}: not there; name the folder of the classes that the clips are tagged with: --lexicon"
        )
    return load_lexicon(folder)


def _write(added: AddedCaptions, classes: Lexicon, out: AnyPath) -> list[str]:
    """Write table, lexicon and what was not matched; returns the names of the files."""
    make_folder(out)
    write_lexicon(classes, out / LEXICON)
    text = added.unmatched.to_csv(index=False)
    atomic_write(out / UNMATCHED_FILE, lambda file: file.write(text.encode()))
    with atomic_file(out / TABLE_FILE) as file:
        write_pieces(row_groups([added.table]), file)
    return [*LEXICON_FILES, UNMATCHED_FILE, TABLE_FILE]
