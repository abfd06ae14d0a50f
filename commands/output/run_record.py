"""What made a folder: `<verb>.run.json`.

Command, config, inputs, files, counts and versions, and from these what may be run into the same folder again.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from egocurate.commands.output.check_record import FORMAT, check_record
from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.locks.lock import Lock, locked
from egocurate.storage.locks.remote_lock import RemoteLockFile
from egocurate.storage.paths import AnyPath, check_output, file_sizes, is_remote, make_folder, read_bytes
from egocurate.storage.redacted import redacted_values

PACKAGES = ("egocurate", "av", "numpy", "pandas", "pyarrow", "ray", "spacy", "torch")
_NEVER_MORE = ("lexicon", "stereo", "tags_from")  # inputs of which a change is no growth


@dataclass
class Run:
    """One verb's run in one output folder; `counts` is what it counted, None until it has finished.

    `lost` are files of a finished run that are gone: it is to make them again. `changes` says how the inputs differ
    from those of the run there, of which they may be more.
    """

    out: AnyPath
    record: dict
    counts: dict | None = None
    lost: tuple[str, ...] = ()
    changes: list[str] = field(default_factory=list)
    _lock: Lock | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _clock: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        """Whether a run of the same inputs has finished here, and all its files are there."""
        return self.counts is not None and not self.lost and not self.changes

    def describe(self) -> dict[str, str]:
        """Return what a summary says of the tables, as long as they are not written: nothing where they are new."""
        if self.lost:
            return {"tables": f"written again: {', '.join(self.lost)} had gone"}
        return {"tables": "already there, unchanged"} if self.done else {}

    def finish(self, counts: dict, files: Iterable[str] = ()) -> None:
        """Write the record, with what was counted and what the files of `out` that were written hold.

        Other runs may write in `out` from then on. Raises InputError if one has taken the folder over before.
        """
        if self._lock:
            self._lock.check()
        self.counts, self.lost, self.changes = counts, (), []
        seconds = round(time.monotonic() - self._clock, 1)
        written = {"files": {name: _written(self.out / name) for name in files}}
        record = self.record | {"seconds": seconds, "counts": counts} | written
        write_json(_record_path(self.out, record["verb"]), record)
        self.let_go()

    def let_go(self) -> None:
        """Let other runs write in `out`."""
        self._held.close()


@contextmanager
def locked_run(out: AnyPath, verb: str, config: dict, inputs: dict[str, str], may_grow: bool = False) -> Iterator[Run]:
    """`open_run`, and no other run writes tables in `out` until this one has finished or the block ends.

    Makes the folder if there is something to write. Raises InputError, naming who is at work, if another run is.
    """
    run = open_run(out, verb, config, inputs, may_grow)
    if run.done:
        yield run
        return
    with ExitStack() as held:
        if not is_remote(out) and not out.exists():
            held.callback(_remove_if_empty, out)  # whatever is wrong is found out before anything is written
        make_folder(out)
        lock = held.enter_context(locked(out, RemoteLockFile(out) if is_remote(out) else None))
        run = open_run(out, verb, config, inputs, may_grow)  # the one that was at work may have finished just now
        run._lock, run._held = lock, held
        if run.done:
            held.close()
        yield run


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def open_run(out: AnyPath, verb: str, config: dict, inputs: dict[str, str], may_grow: bool = False) -> Run:
    """Find the finished run of `verb` in `out`, or begin one; writes nothing yet.

    `config` (JSON values) and `inputs` (name -> digest of what it holds) decide what is written. Raises InputError
    where `out` holds a run of the same verb with others, naming what differs, and where a file that the run had written
    has been changed. With `may_grow` other inputs are taken: the caller finds out whether they hold what was there and
    more.
    """
    # Without secrets from the start, as the record of an earlier run is: signatures change, what they open does not.
    record = redacted_values(_record(verb, config, inputs))
    check_output(out)
    earlier = read_run(out, verb)
    if earlier is None:
        return Run(out, record)
    path = _record_path(out, verb)
    if earlier.get("format") != FORMAT:
        raise InputError(
            f"{path} is of an earlier version, which did not note what its inputs held; name another --out, or delete "
            "that file: the tables are made again, and shards that fit them stay"
        )
    differences = _differences(earlier, record)
    if differences and not (may_grow and _may_be_more(earlier, record)):
        raise InputError(
            f"{out} holds a run of `curate {verb}` with other inputs: {'; '.join(differences)}; "
            f"name another --out, or delete {path.name} there and the files that it names"
        )
    return Run(out, record, earlier["counts"], _lost(out, verb, earlier.get("files", {})), differences)


def _record(verb: str, config: dict, inputs: dict[str, str]) -> dict:
    return {
        "format": FORMAT,
        "verb": verb,
        "command": " ".join(["curate", *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": json.loads(json.dumps(config)),
        "inputs": inputs,
        "versions": _versions(),
    }


def read_run(out: AnyPath, verb: str) -> dict | None:
    """Return the record of `verb` in `out`, without secrets, or None; a broken record is an InputError."""
    path = _record_path(out, verb)
    try:
        return check_record(redacted_values(json.loads(read_bytes(path))), verb)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no run record ({error}); delete it to start over in that folder") from None


def _record_path(out: AnyPath, verb: str) -> AnyPath:
    return out / f"{verb}.run.json"


def _differences(earlier: dict, now: dict) -> list[str]:
    differences = []
    for part in ("config", "inputs"):
        for name in sorted(earlier[part].keys() | now[part].keys()):
            was, is_now = earlier[part].get(name), now[part].get(name)
            if was != is_now:
                differences.append(
                    f"{name} was {was}, now {is_now}" if part == "config" else _change(name, was, is_now)
                )
    return differences


def _may_be_more(earlier: dict, now: dict) -> bool:
    was, is_now = earlier["inputs"], now["inputs"]
    settings = earlier["config"].keys() | now["config"].keys()
    same_config = all(earlier["config"].get(name) == now["config"].get(name) for name in settings)
    return same_config and all(was.get(name) == is_now.get(name) for name in _NEVER_MORE)


def _change(name: str, was: str | None, is_now: str | None) -> str:
    if was is None:
        return f"{name} was not there then"
    return f"{name} changed" if is_now else f"{name} is not there now"


def _written(path: AnyPath) -> str:
    """Return the fingerprint of a file, of one in a store only its size: it would be fetched for no more than that."""
    return f"{path.stat().st_size}:" if is_remote(path) else fingerprint(path)


def _lost(out: AnyPath, verb: str, files: dict[str, str]) -> tuple[str, ...]:
    """Return which files of a run are gone; raises InputError for one that holds something else than it wrote.

    What files in a store hold is judged by their sizes.
    """
    folders = {(out / name).parent for name in files}
    sizes = {folder / name: size for folder in folders for name, size in file_sizes(folder).items()}
    for name, written in files.items():
        path = out / name
        same_size = sizes.get(path) == int(written.partition(":")[0])
        if path in sizes and not (same_size and (is_remote(path) or fingerprint(path) == written)):
            raise InputError(
                f"{path} is not as `curate {verb}` wrote it: move it elsewhere, or delete it, and it is written again"
            )
    return tuple(name for name in files if out / name not in sizes)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
