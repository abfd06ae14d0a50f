"""Find the tars that somebody names: files, or all of a folder; they lie below one place, which a manifest can name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from egocurate.errors import InputError
from egocurate.shards.adopt.read_tar import ForeignTar
from egocurate.shards.adopt.tar_members import name_fault
from egocurate.storage.fetch import file_size
from egocurate.storage.paths import AnyPath, as_path, file_sizes, is_remote
from egocurate.storage.redacted import redacted

ENDING = ".tar"


def find_tars(places: Iterable[AnyPath]) -> list[tuple[AnyPath, int]]:
    """Return the tars that `places` name, and their bytes, in the order given; of a folder all, sorted by name.

    Raises InputError for what is neither a tar nor a folder with tars, and for one that is named twice.
    """
    found = [one for place in places for one in _tars_at(place if is_remote(place) else place.absolute())]
    if not found:
        raise InputError("no tar was named: give tar files, or the folder that holds them")
    seen: set[str] = set()
    for path, _ in found:
        if str(path) in seen:
            raise InputError(f"{path} is named twice")
        seen.add(str(path))
    return found


def root_of(tars: Sequence[tuple[AnyPath, int]]) -> str:
    """Return the folder or URL below which all tars lie; raises InputError where there is none, or it has a secret."""
    texts = [str(path) for path, _ in tars]
    for text in texts:
        if redacted(text) != text:
            raise InputError(
                f"{redacted(text)}: the manifest would have to hold the secret of this URL; give the store's own "
                "address, and the credentials in the environment"
            )
    if len({is_remote(path) for path, _ in tars}) > 1:
        raise InputError("some tars are on this machine and some in a store: adopt them into two folders and mix these")
    if not is_remote(tars[0][0]):
        return os.path.commonpath([path.parent for path, _ in tars])
    common = os.path.commonpath([text.partition("://")[2].rpartition("/")[0] for text in texts])
    schemes = {text.partition("://")[0] for text in texts}
    if not common or len(schemes) > 1:
        raise InputError("the tars are in several stores: adopt those of each into a folder of its own and mix these")
    return f"{schemes.pop()}://{common}"


def below(root: str, tars: Sequence[tuple[AnyPath, int]]) -> list[ForeignTar]:
    """Return tars with their names below `root`; raises InputError for one that is elsewhere, or has no plain name."""
    named = []
    for path, size in tars:
        text = str(path)
        if not text.startswith(root.rstrip("/") + "/"):
            raise InputError(
                f"{path} does not lie below {root}, as the tars adopted before: adopt it into another --out, and mix"
            )
        name = text.removeprefix(root.rstrip("/") + "/")
        if fault := name_fault(name):
            raise InputError(f"{name!r}: {fault}; give the tar another name")
        named.append(ForeignTar(path, name, size))
    return named


def _tars_at(place: AnyPath) -> list[tuple[AnyPath, int]]:
    if place.name.endswith(ENDING) and not (not is_remote(place) and place.is_dir()):
        return [(place, _size_of(place))]
    sizes = {name: size for name, size in sorted(file_sizes(place).items()) if name.endswith(ENDING)}
    if not sizes:
        raise InputError(f"{place}: no tar is there; give tar files, or the folder that holds them")
    return [(as_path(place / name), size) for name, size in sizes.items()]


def _size_of(path: AnyPath) -> int:
    try:
        if is_remote(path):
            return file_size(path)
        status = Path(path).stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such tar") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is no file but a pipe or a device: copy what it gives to a file")
    return status.st_size
