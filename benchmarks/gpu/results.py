"""results.json: what each case of each part gave, written as soon as it is known, so that a run can go on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu.setup import Case, Facts
from egocurate.errors import InputError
from egocurate.storage.atomic import write_json

FAILED, ABSENT = "failed", "absent"
"""Keys of the facts of a case that went wrong, and of one whose software or device is not there: why, in a line."""
_LONGEST_REASON = 500


class Results:
    """The results of a run in its file; whoever holds one is the only one to write it at that time."""

    def __init__(self, path: Path) -> None:
        """Go on from what is in the file; raises InputError if it is not one of these."""
        self.path = path
        self.parts: dict[str, Facts] = {}
        self.machine: Facts = {}
        if path.exists():
            try:
                known = json.loads(path.read_text())
                self.parts, self.machine = known["parts"], known["machine"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}: holds no results ({error}): delete it, or name another --out") from error

    def cases(self, part: str) -> dict[str, Facts]:
        """Return the facts of a part's cases that are known."""
        return self.parts.get(part, {}).get("cases", {})

    def complete(self, part: str) -> bool:
        """Tell whether a part has nothing left to do."""
        return self.parts.get(part, {}).get("complete", False)

    def run(self, part: str, cases: Mapping[str, Case]) -> bool:
        """Run the cases that are not known yet, each written at once; False after one that failed.

        What failed is known, too. It may have left the device in a state that fails what follows, so the rest wants
        another process.
        """
        for name, case in cases.items():
            if name in self.cases(part):
                continue
            self._note(part, running=name)
            facts = _tried(case)
            self.add(part, name, facts)
            if FAILED in facts:
                return False
        self._note(part, running=None, complete=True)
        return True

    def add(self, part: str, case: str, facts: Facts) -> None:
        """Write the facts of a case."""
        known = {**self.cases(part), case: {**facts, "at": datetime.now(UTC).isoformat(timespec="seconds")}}
        self._note(part, running=None, cases=known)

    def lost(self, part: str, reason: str) -> None:
        """Write that the process of a part ended, in the middle of a case or before the first.

        The cases that follow are still to be run; a part that does not come as far as a case has none.
        """
        case = self.parts.get(part, {}).get("running")
        self.add(part, case or "start", {FAILED: reason})
        if case is None:
            self._note(part, complete=True)

    def forget(self, part: str) -> None:
        """Leave out what is known of a part, so that it is run again."""
        self.parts.pop(part, None)
        self._write()

    def describe(self, machine: Facts) -> None:
        """Write what the machine is."""
        self.machine = {"python": platform.python_version(), **machine}
        self._write()

    def _note(self, part: str, **facts: object) -> None:
        self.parts[part] = {**self.parts.get(part, {}), **facts}
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"machine": self.machine, "parts": self.parts})


def one_line(error: BaseException) -> str:
    """Return kind and first line of an error."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:_LONGEST_REASON]


def _tried(case: Case) -> Facts:
    try:
        return case()
    except Exception as error:  # whatever is wrong with one case is a result, and the others are still worth their time
        return {FAILED: one_line(error)}
