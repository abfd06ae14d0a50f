"""Folders in which videos are looked for, before the places of a data set itself."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, as_path, file_sizes, folder_exists, is_remote

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".m4v", ".webm")

# Below a folder: flat, and as EPIC-KITCHENS-100 is published.
PLACES = ("*", "videos/*", "P*/*", "P*/videos/*", "videos/P*/*", "videos/*/P*/*", "EPIC-KITCHENS/P*/videos/*")
_BELOW = tuple(dict.fromkeys((*PLACES, "*/*", "videos/*/*")))


class VideoFolders:
    """Folders, of this machine or of a store, that a user names for videos; raises InputError for one that is not."""

    def __init__(self, folders: Iterable[str | AnyPath] = ()) -> None:
        self.folders = [as_path(folder) for folder in folders]
        for folder in self.folders:
            if not folder_exists(folder):
                raise InputError(f"--videos-dir {folder}: there is no such folder")

    @cached_property
    def files(self) -> dict[str, AnyPath]:
        """Every mp4 file by its name without the ending, which is the uid of its video; the first folder wins."""
        files: dict[str, AnyPath] = {}
        for folder in self.folders:
            for uid, path in find_mp4(folder, PLACES).items():
                files.setdefault(uid, path)
        return files

    def named(self, name: str) -> AnyPath | None:
        """Return the file of a path as a table has it, below one of the folders or in it; None if there is none."""
        within = [folder / part for folder in self.folders for part in (name, name.rpartition("/")[2])]
        return next((path for path in within if is_there(path)), None)


class NamedVideos:
    """The files of videos that a table names by a path or a name, in folders that a user names, or beside the table.

    A video is looked for by its path, its file name, and its name without an ending, up to two folders below.
    """

    def __init__(self, beside: AnyPath, folders: Iterable[str | AnyPath] = ()) -> None:
        self._elsewhere, self._beside = VideoFolders(folders), beside
        self.folders = [*self._elsewhere.folders, beside]

    def find(self, video: str) -> AnyPath | None:
        """Return the file of a video, None if it is nowhere."""
        beside = as_path(video) if "://" in video else self._beside / video
        named = self._elsewhere.named(video) or (beside if is_there(beside) else None)
        return named or self._files.get(video_name(video))

    @cached_property
    def _files(self) -> dict[str, AnyPath]:
        """Every video of the folders by its name without ending; the first folder wins."""
        files: dict[str, AnyPath] = {}
        for folder in self.folders:
            for place in _BELOW:
                for path in sorted(folder.glob(place)):
                    if path.suffix.lower() in VIDEO_SUFFIXES:
                        files.setdefault(path.stem, path)
        return files


def video_name(path: str) -> str:
    """Return what a video is called by its path: the file's name without the ending of a video."""
    name = PurePosixPath(path.replace("\\", "/")).name
    stem, dot, ending = name.rpartition(".")
    return stem if dot + ending.lower() in VIDEO_SUFFIXES else name


def is_there(path: AnyPath) -> bool:
    """Tell whether a file is there that a stranger's table names, in however many characters."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def find_mp4(folder: AnyPath, places: Sequence[str]) -> dict[str, AnyPath]:
    """Return the mp4 files of a folder at `places` (glob patterns) by their names without the ending."""
    files: dict[str, AnyPath] = {}
    for place in places:
        # One listing where it is a single folder: a store counts requests, and a folder may hold thousands.
        paths = [folder / name for name in sorted(file_sizes(folder))] if place == "*" else sorted(folder.glob(place))
        for path in paths:
            if path.suffix.lower() == ".mp4" and (place == "*" or path.is_file()):
                files.setdefault(path.stem, path)
    return files


def looked_in(places: Sequence[object], name: str = "<video_uid>.mp4") -> str:
    """Say, for an error, which files were looked for in which folders."""
    return f"looked for {name} in {', '.join(str(place) for place in places)}"


def refuse_file(root: AnyPath) -> None:
    """Raise InputError where a file is given as the root of a data set that is a folder."""
    if not is_remote(root) and root.is_file():
        raise InputError(f"{root}: is a file; for a table of narrations add --source table")
