"""What made a folder: `<verb>.run.json`.

Command, config, inputs, counts and versions, and from these what may be run into the same folder again.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from egocurate.errors import InputError
from egocurate.storage.atomic import atomic_write
from egocurate.storage.paths import AnyPath, check_output, read_bytes

PACKAGES = ("egocurate", "av", "numpy", "pandas", "pyarrow", "ray", "spacy", "torch")


@dataclass
class Run:
    """One verb's run in one output folder; `counts` is what it counted, None until it has finished.

    `changes` says how its inputs differ from those of the run there, of which they may be more.
    """

    path: AnyPath
    record: dict
    counts: dict | None = None
    changes: list[str] = field(default_factory=list)
    _clock: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        """Whether a run of the same inputs has finished here."""
        return self.counts is not None and not self.changes

    def finish(self, counts: dict) -> None:
        """Write the record, with what was counted."""
        self.counts, self.changes = counts, []
        seconds = round(time.monotonic() - self._clock, 1)
        record = self.record | {"seconds": seconds, "counts": counts}
        atomic_write(self.path, lambda file: file.write((json.dumps(record, indent=1) + "\n").encode()))


def open_run(out: AnyPath, verb: str, config: dict, inputs: dict[str, str], may_grow: bool = False) -> Run:
    """Find the finished run of `verb` in `out`, or begin one; writes nothing yet.

    `config` and `inputs` (name -> fingerprint) are JSON values that decide what is written. Raises InputError, naming
    what differs, where `out` holds a run of the same verb with others. With `may_grow` other inputs are taken: the
    caller finds out whether they hold what was there and more.
    """
    record = {
        "verb": verb,
        "command": " ".join(["curate", *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": json.loads(json.dumps(config)),
        "inputs": inputs,
        "versions": _versions(),
    }
    check_output(out)
    earlier = read_run(out, verb)
    if earlier is None:
        return Run(out / f"{verb}.run.json", record)
    differences = _differences(earlier, record)
    if differences and may_grow and earlier["config"] == record["config"]:
        return Run(out / f"{verb}.run.json", record, earlier["counts"], differences)
    if differences:
        raise InputError(
            f"{out} holds a run of `curate {verb}` with other inputs: {'; '.join(differences)}; "
            "name another --out, or delete that folder"
        )
    return Run(out / f"{verb}.run.json", earlier, earlier["counts"])


def read_run(out: AnyPath, verb: str) -> dict | None:
    """Return the record of `verb` in `out`, or None; a broken record is an InputError."""
    path = out / f"{verb}.run.json"
    try:
        record = json.loads(read_bytes(path))
        return {key: record[key] for key in ("config", "inputs", "counts")} | record
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no run record ({error}); delete it to start over in that folder") from None


def _differences(earlier: dict, now: dict) -> list[str]:
    differences = []
    for part in ("config", "inputs"):
        for name in sorted(earlier[part].keys() | now[part].keys()):
            was, is_now = earlier[part].get(name), now[part].get(name)
            if was != is_now:
                differences.append(
                    f"{name} changed" if part == "inputs" and was and is_now else f"{name} was {was}, now {is_now}"
                )
    return differences


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
