"""What an Ego4D download says of the videos of its segments: splits, lengths, and which were filmed together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from egocurate.curation.sources.layout import annotation_folders, download_root
from egocurate.curation.sources.metadata import Metadata, VideoEntry, find_metadata, read_metadata
from egocurate.curation.sources.splits import BenchmarkVideos, read_benchmarks, union_split
from egocurate.storage.paths import AnyPath, folder_exists


@dataclass(frozen=True)
class Ego4DVideos:
    """Facts of videos by uid, the sets that were filmed together, and the files that say it, by name."""

    entries: dict[str, VideoEntry] = field(default_factory=dict)
    together: list[list[str]] = field(default_factory=list)
    files: dict[str, AnyPath] = field(default_factory=dict)
    benchmarks: BenchmarkVideos = field(default_factory=BenchmarkVideos)

    def entry(self, uid: str, split: str) -> VideoEntry:
        """Return what is known of a video whose segments' file says its `split`: held out anywhere is held out."""
        entry = self.entries.get(uid, VideoEntry(video_uid=uid))
        return replace(entry, split=union_split(uid, entry.splits | {split}, self.benchmarks))


def find_ego4d_videos(root: AnyPath, annotations: Iterable[AnyPath]) -> Ego4DVideos:
    """Read ego4d.json and the benchmark files of the download that a folder, or the annotations in it, are of.

    Nothing is known of any video where there are none. Raises InputError for a file that is broken.
    """
    folders = [*([root] if folder_exists(root) else []), *(path.parent for path in annotations)]
    best = Ego4DVideos()
    for download in dict.fromkeys(map(download_root, folders)):
        path, benchmarks = find_metadata(download), read_benchmarks(annotation_folders(download))
        metadata = Metadata({}, [], []) if path is None else read_metadata(path)
        read = [*([] if path is None else [path]), *benchmarks.read]
        files = {f"ego4d/{one.relative_to(download).as_posix()}": one for one in read}
        found = Ego4DVideos(metadata.videos, metadata.together, files, benchmarks)
        if path is not None:
            return found
        best = best if best.files else found
    return best
