"""Where the files of an Ego4D download lie, whichever way it was made."""

import re

from egocurate.curation.sources.video_folders import find_mp4
from egocurate.storage.paths import AnyPath, is_remote

_VERSION = re.compile(r"v(\d+)(?:[._](\d+))?")
_VIDEO_FOLDERS = ("video_540ss", "full_scale")


def download_root(folder: AnyPath) -> AnyPath:
    """Return the root of the download that a folder of annotations is of; any other folder is a root itself."""
    if not is_remote(folder):
        folder = folder.absolute()
    if folder.name == "annotations":
        folder = folder.parent
    return folder.parent if _VERSION.fullmatch(folder.name) else folder


def version_folders(root: AnyPath) -> list[AnyPath]:
    """Return the folders v1, v2, v2_1, ... of a download, newest first."""
    versions = []
    for entry in root.iterdir():
        match = _VERSION.fullmatch(entry.name)
        if match and entry.is_dir():
            versions.append(((int(match[1]), int(match[2] or 0)), entry))
    return [entry for _, entry in sorted(versions, reverse=True)]


def annotation_folders(root: AnyPath) -> list[AnyPath]:
    """Return every folder that may hold annotations, in order of preference: newest version first, root last."""
    candidates = [version / "annotations" for version in version_folders(root)] + [root / "annotations", root]
    return [folder for folder in candidates if folder.is_dir()]


def metadata_paths(root: AnyPath) -> list[AnyPath]:
    """Return where ego4d.json may lie: the client writes it to the root, its README says the version folder."""
    return [folder / "ego4d.json" for folder in [root, *version_folders(root), *annotation_folders(root)]]


def manifest_paths(root: AnyPath) -> list[AnyPath]:
    """Return where a manifest of the full-scale videos may lie."""
    versions = version_folders(root)
    folders = [root, *versions, *(version / "full_scale" for version in versions), root / "full_scale"]
    return [folder / "manifest.csv" for folder in folders]


def video_folders(root: AnyPath) -> list[AnyPath]:
    """Return the folders of a download that may hold videos, in the order in which they are looked into.

    The 540p copies come first: same frames and times as full scale at a fraction of the decoding, and above any
    training size. Then full scale, then the root itself.
    """
    return [*(base / name for name in _VIDEO_FOLDERS for base in (*version_folders(root), root)), root]


def video_files(root: AnyPath) -> dict[str, AnyPath]:
    """Return uid -> file of the videos on disk, the first of `video_folders` that has one."""
    files: dict[str, AnyPath] = {}
    for folder in video_folders(root):
        for uid, path in find_mp4(folder, ("*",)).items():
            files.setdefault(uid, path)
    return files
