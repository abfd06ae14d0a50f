"""Whole videos as folders of chunks, for the code of EgoVLP, LaViLa and AVION: names, and which frame is where.

Chunk k holds the frames shown in [k * seconds, (k + 1) * seconds), all of them, none twice.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil

from egocurate.errors import InputError


@dataclass(frozen=True)
class ChunkLayout:
    """How a reader finds a chunk: `seconds` long, `short_side` pixels, in a folder per video.

    The folder is called after the video and `folder_suffix`; the file after the chunk's number, or with `by_second`
    after the second at which it starts.
    """

    name: str
    seconds: int
    short_side: int
    by_second: bool
    folder_suffix: str
    help: str = ""
    """whose code reads it, in a line"""

    def folder(self, video_uid: str) -> str:
        """Return the name of a video's folder."""
        return f"{video_uid}{self.folder_suffix}"

    def file(self, chunk: int) -> str:
        """Return the name of a chunk's file in its folder."""
        return f"{chunk * self.seconds if self.by_second else chunk}.mp4"

    def path(self, video_uid: str, chunk: int) -> str:
        """Return where a chunk lies in the exported folder."""
        return f"{self.folder(video_uid)}/{self.file(chunk)}"

    def chunk_of(self, time: Fraction | float) -> int:
        """Return the chunk of a time in seconds; what is shown before 0 belongs to the first."""
        return max(0, int(time // self.seconds))

    def settings(self) -> dict[str, object]:
        """Return every setting as plain values, as they are kept beside the chunks."""
        return {name: value for name, value in asdict(self).items() if name != "help"}

    def lost(self, reached: Fraction, until: Fraction | None, duration: float) -> range:
        """Return the chunks that miss frames when none between `reached` and `until` (None: the end) can be read.

        All in seconds; `duration` is the length of the video, NaN if it is not known.
        """
        first = self.chunk_of(reached)
        if until is not None:
            return range(first, max(first, ceil(until / self.seconds)))
        return range(first, max(first + 1, ceil(duration / self.seconds) if duration == duration else 0))


# Folder and file names are those that the three loaders build; the sizes those of the scripts and notes beside them.
LAYOUTS = {
    layout.name: layout
    for layout in (
        ChunkLayout("egovlp", 600, 256, by_second=False, folder_suffix="", help="EgoVLP's: 10 minutes, 256 pixels"),
        ChunkLayout("lavila", 300, 288, by_second=True, folder_suffix=".mp4", help="LaViLa's: 5 minutes, 288 pixels"),
        ChunkLayout("avion", 15, 288, by_second=True, folder_suffix=".mp4", help="AVION's: 15 seconds, 288 pixels"),
    )
}


def chunk_layout(name: str) -> ChunkLayout:
    """Return the layout called `name`; raises InputError for a name that is not there."""
    if name not in LAYOUTS:
        raise InputError(f"--like {name}: no such layout; there are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def missing_chunks(known: Iterable[int]) -> list[int]:
    """Return the chunks below the last one of `known` that are not among them, ascending."""
    known = set(known)
    return [chunk for chunk in range(max(known, default=-1)) if chunk not in known]
