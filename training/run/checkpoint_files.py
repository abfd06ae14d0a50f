"""The files of a checkpoint as data: each is what was written, and nothing that it holds is run.

torch's distributed format keeps a pickle of which tensor stands where, and another of each plain value. A pickle may
call any function. Here the first may only build torch's own descriptions of tensors, the second only plain values, and
both only name places inside the checkpoint.
"""

from __future__ import annotations

import io
import json
import math
import pickle
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import filesystem, metadata
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.planner import ReadItem

from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.json_notes import read_note
from egocurate.training.run.checkpoint_folders import DIGESTS_FILE

RUN_FILE = "run.json"
_PATHS = {("pathlib", "PosixPath"), ("pathlib._local", "PosixPath")}
_KNOWN = {
    **{(metadata.__name__, name): getattr(metadata, name) for name in (*metadata.__all__, "_MEM_FORMAT_ENCODING")},
    **{("torch", name): one for name, one in vars(torch).items() if isinstance(one, torch.dtype)},
    **dict.fromkeys(_PATHS, PurePosixPath),
    (filesystem.__name__, "_StorageInfo"): filesystem._StorageInfo,
    ("torch", "Size"): torch.Size,
    ("torch.serialization", "_get_layout"): torch.serialization._get_layout,
}


def read_run_file(folder: Path) -> dict[str, Any]:
    """Return the run.json of a checkpoint, which has the "step" of its run; raises InputError for one that is none."""
    with as_data(folder):
        rest = read_note(folder / RUN_FILE, dict, "name an older one of its run, or another run")
        if type(rest["step"]) is not int or rest["step"] < 0:
            raise ValueError(f"its step is {rest['step']!r}")
        return rest


def write_digests(folder: Path) -> None:
    """Write what every file of a checkpoint holds into DIGESTS_FILE; the checkpoint is whole from then on."""
    names = sorted(path.name for path in folder.iterdir() if path.name != DIGESTS_FILE)
    write_json(folder / DIGESTS_FILE, {name: fingerprint(folder / name) for name in names})


def changed_file(folder: Path, part: int = 0, parts: int = 1) -> str | None:
    """Name a file of a checkpoint that is not what was written, among every `parts`-th from `part` on; None if none is.

    Raises InputError if the checkpoint has no list of its files.
    """
    there = {path.name for path in folder.iterdir() if path.is_file()}
    for name, written in list(_read_digests(folder).items())[part::parts]:
        if name not in there or fingerprint(folder / name) != written:
            return name
    return None


def check_files(folder: Path) -> None:
    """Raise InputError, naming the file, unless every file of a checkpoint is what was written."""
    raise_if_changed(folder, changed_file(folder))


def raise_if_changed(folder: Path, name: str | None) -> None:
    """Raise InputError if `changed_file` has named a file."""
    if name is not None:
        raise InputError(
            f"{folder} is not a whole checkpoint, {name} is not what was written: name an older one of its run, or "
            "another run"
        )


@contextmanager
def as_data(folder: Path) -> Iterator[None]:
    """Turn whatever torch raises for the files of a checkpoint into InputError."""
    try:
        yield
    except InputError:
        raise
    except torch.OutOfMemoryError:
        raise
    except (Exception, dcp.CheckpointException) as error:  # a forged file makes torch raise anything
        raise InputError(
            f"{folder} is not a whole checkpoint ({cause(error)}): name an older one of its run, or another run"
        ) from error


class TensorsReader(dcp.FileSystemReader):
    """Reads a checkpoint whose description names tensors, plain values and places in its own files, nothing else."""

    def __init__(self, folder: Path) -> None:
        """Read the description of the checkpoint in a folder; raises InputError for one that names anything else."""
        super().__init__(folder)
        written = _read_digests(folder)
        with as_data(folder), (folder / ".metadata").open("rb") as file:
            sizes = {name: int(one.partition(":")[0]) for name, one in written.items()}
            described = _Unpickler(file).load()
            _check_description(described, sizes)
        described.storage_meta = metadata.StorageMeta(load_id=self.load_id)
        self._described: metadata.Metadata = described

    def read_metadata(self, *args: object, **kwargs: object) -> metadata.Metadata:
        """Return the description."""
        return self._described


class PlainValuesPlanner(DefaultLoadPlanner):
    """Loads a state whose values beside the tensors are numbers, texts, or lists and tuples of these."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Put a value into the state; raises pickle.UnpicklingError for one that is an object of some class."""
        plain = io.BytesIO()
        torch.save(torch.load(value, weights_only=True), plain)  # what torch reads without restrictions is our own
        plain.seek(0)
        super().load_bytes(read_item, plain)


class _Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (a class)
        """Return a class that describes tensors; raises pickle.UnpicklingError for any other."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _KNOWN[module, name]


def _check_description(described: object, sizes: dict[str, int]) -> None:
    """Raise ValueError unless a description is of tensors that its files, of these sizes, can hold."""
    if not isinstance(described, metadata.Metadata):
        raise ValueError("it describes no tensors")
    room = sum(sizes.values())
    for name, entry in described.state_dict_metadata.items():
        if isinstance(entry, metadata.TensorStorageMetadata):
            room -= math.prod(_lengths(entry.size)) * entry.properties.dtype.itemsize
            if room < 0:
                raise ValueError(f"its tensors, up to {name}, are larger than its files")
        elif not isinstance(entry, metadata.BytesStorageMetadata):
            raise ValueError(f"its {name} is no tensor")
    for place in described.storage_data.values():
        if place.relative_path not in sizes or place.transform_descriptors:
            raise ValueError(f"it names the file {place.relative_path!r}")
        start, length = _lengths((place.offset, place.length))
        if start + length > sizes[place.relative_path]:
            raise ValueError(f"it goes on past the end of {place.relative_path}")


def _lengths(numbers: Collection[object]) -> list[int]:
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"{list(numbers)} are no sizes")
    return list(numbers)


def _read_digests(folder: Path) -> dict[str, str]:
    """Return the fingerprint of each file by name; raises InputError for no list, or one that names other places."""
    with as_data(folder):
        listed = json.loads((folder / DIGESTS_FILE).read_text())
        if not {".metadata", RUN_FILE} <= listed.keys() or any(
            Path(name).name != name or name == ".." for name in listed
        ):
            raise ValueError(f"its {DIGESTS_FILE} does not list its files")
        if not all(isinstance(written, str) for written in listed.values()):
            raise ValueError(f"its {DIGESTS_FILE} holds no digests")
        return listed


def cause(error: BaseException) -> str:
    """Return in a line what failed, out of the tracebacks of all ranks that torch wraps it in."""
    while isinstance(error, dcp.CheckpointException) and error.failures:
        error = next(iter(error.failures.values()))[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]
