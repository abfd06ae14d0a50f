"""Facts about videos: from ego4d.json, or from a manifest where that is all there is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from egocurate.curation.sources.cells import decimal, first_duration, first_pixels, number, storable
from egocurate.curation.sources.json_stream import load_json
from egocurate.curation.sources.layout import manifest_paths, metadata_paths
from egocurate.curation.sources.splits import split_fields
from egocurate.curation.sources.videos_table import VideoFacts
from egocurate.errors import InputError
from egocurate.literal_lists import word_list
from egocurate.storage.csv_file import read_csv
from egocurate.storage.paths import AnyPath
from egocurate.storage.remote_file import open_file

_HEADER_BYTES = 65_536
_DURATIONS = ("duration_sec", "canonical_mp4_duration_sec", "canonical_video_duration_sec")
_KINDS = ("display_resolution", "canonical_display", "sample_resolution")
_MANIFEST = (*_DURATIONS, *(f"{kind}_{side}" for kind in _KINDS for side in ("width", "height")), "scenarios")


@dataclass
class VideoEntry(VideoFacts):
    """One video of the metadata: what is known of it, its uid, and what its split_* fields say."""

    video_uid: str = ""
    splits: set[str] = field(default_factory=set)


@dataclass
class Metadata:
    """Videos by uid, the sets filmed together, and facts worth telling."""

    videos: dict[str, VideoEntry]
    together: list[list[str]]
    notes: list[str]


def find_metadata(root: AnyPath) -> AnyPath | None:
    """Return ego4d.json of a download, wherever its client wrote it, else a manifest of the videos, else None."""
    for path in (*metadata_paths(root), *manifest_paths(root)):
        if path.is_file() and (path.suffix == ".json" or _is_video_manifest(path)):
            return path
    return None


def read_metadata(path: AnyPath) -> Metadata:
    """Read what `find_metadata` found; raises InputError as its reader."""
    return (read_manifest if path.suffix == ".csv" else read_ego4d_json)(path)


def read_ego4d_json(path: AnyPath) -> Metadata:
    """Read ego4d.json; raises InputError if it is broken or lists no videos."""
    content = load_json(path)
    entries = content.get("videos")
    if not isinstance(entries, list):
        raise InputError(f"{path}: 'videos' is no list; is it another file? Fetch ego4d.json again")
    videos, skipped = _by_uid(_from_json(entry) for entry in entries if isinstance(entry, dict))
    unread = sum(
        len(_list(entry.get("redacted_intervals"))) - len(_intervals(entry))
        for entry in entries
        if isinstance(entry, dict)
    )
    flagged = sum(
        1
        for entry in entries
        if isinstance(entry, dict) and entry.get("has_redacted_regions") is True and not _intervals(entry)
    )
    notes = [f"{path.name} lists {len(videos):,} videos"]
    if skipped or len(entries) > len(videos) + skipped:
        unused = len(entries) - len(videos)
        notes.append(f"{unused:,} entries of {path.name} have no uid or repeat one and are not used")
    if flagged:
        notes.append(f"{flagged:,} videos are marked as redacted but list no interval")
    if unread:
        notes.append(f"{unread:,} redacted intervals have no start before an end and are not used")
    together = [_members(group) for group in _list(content.get("concurrent_video_sets"))]
    return Metadata(videos, [group for group in together if len(group) > 1], notes)


def read_manifest(path: AnyPath) -> Metadata:
    """Read a manifest of full-scale videos, columns by name; raises InputError if it is no such table."""
    table = read_csv(path)
    table.places(path, ("video_uid", *(name for name in table.header if name in _MANIFEST)))
    if not table.rows:
        raise InputError(f"{path}: no rows; fetch ego4d.json or the full-scale manifest")
    videos, skipped = _by_uid(_from_manifest(dict(zip(table.header, row, strict=True))) for row in table.rows)
    notes = [
        f"No ego4d.json: {len(videos):,} videos are taken from {path.name}, which tells nothing of stereo, redaction "
        "and scenes"
    ]
    if skipped:
        notes.append(f"{skipped:,} rows of {path.name} have no uid or repeat one and are not used")
    return Metadata(videos, [], notes)


def _is_video_manifest(path: AnyPath) -> bool:
    """Tell a manifest of videos from those of other data, which have no column of durations."""
    with open_file(path) as file:
        header = file.readline(_HEADER_BYTES)
    return b"video_uid" in header and b"duration_sec" in header


def _by_uid(entries: Iterable[VideoEntry]) -> tuple[dict[str, VideoEntry], int]:
    videos: dict[str, VideoEntry] = {}
    skipped = 0
    for video in entries:
        if not video.video_uid or video.video_uid in videos:
            skipped += 1
        else:
            videos[video.video_uid] = video
    return videos, skipped


def _from_json(entry: Mapping[str, Any]) -> VideoEntry:
    uid = entry.get("video_uid")
    inner = entry.get("video_metadata")
    inner = inner if isinstance(inner, dict) else {}
    durations = (entry.get("duration_sec"), inner.get("mp4_duration_sec"), inner.get("video_duration_sec"))
    return VideoEntry(
        video_uid=storable(uid),
        video_dur=first_duration(number(value) for value in durations),
        is_stereo=entry.get("is_stereo") is True,
        width=first_pixels(number(inner.get(f"{kind}_resolution_width")) for kind in ("display", "sample")),
        height=first_pixels(number(inner.get(f"{kind}_resolution_height")) for kind in ("display", "sample")),
        splits=split_fields(entry),
        fho_multi=entry.get("split_fho") == "multi",
        scenarios=[storable(name) for name in _list(entry.get("scenarios")) if isinstance(name, str)],
        redacted=_intervals(entry),
    )


def _from_manifest(row: Mapping[str, str]) -> VideoEntry:
    return VideoEntry(
        video_uid=row["video_uid"],
        video_dur=first_duration(decimal(row.get(name, "")) for name in _DURATIONS),
        width=first_pixels(decimal(row.get(f"{kind}_width", "")) for kind in _KINDS),
        height=first_pixels(decimal(row.get(f"{kind}_height", "")) for kind in _KINDS),
        splits=split_fields(row),
        fho_multi=row.get("split_fho") == "multi",
        scenarios=_scenarios(row.get("scenarios", "")),
    )


def _scenarios(text: str) -> list[str]:
    """Read a list of words; any other text is the name of one scenario."""
    words = word_list(text)
    if words is None:
        return [text] if text.strip() else []
    return [storable(word) for word in words]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _intervals(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    intervals = []
    for item in _list(entry.get("redacted_intervals")):
        if isinstance(item, dict):
            start, end = number(item.get("start_sec")), number(item.get("end_sec"))
            if start <= end:
                intervals.append((start, end))
    return intervals


def _members(group: object) -> list[str]:
    if not isinstance(group, dict) or group.get("valid") is False:
        return []
    uids = [item.get("video_uid") for item in _list(group.get("videos")) if isinstance(item, dict)]
    return [storable(uid) for uid in uids if isinstance(uid, str)]
