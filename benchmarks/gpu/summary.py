"""The results as Markdown, bars and figures beside each other: `python -m benchmarks.gpu.summary OUT`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.gpu.bars import CLIPS_PER_SEC, DATA_WAIT, HEADSPACE, MFU, Bar
from benchmarks.gpu.parts import PARTS, RECIPES
from benchmarks.gpu.results import ABSENT, FAILED, Results
from benchmarks.gpu.setup import RESULTS, Facts
from egocurate.errors import InputError

MISSED = "**missed**"
_HIDDEN = {"at", "kernels"}


def summary(results: Results) -> str:
    """Return the machine, the table of bars, and a table of each part; what failed or is not there says why."""
    machine = results.machine
    lines = ["# The acceptance run", "", _machine_line(machine), ""]
    if machine.get("small"):
        lines += ["Tiny models, to see that the parts work: **no figure here is a measurement.**", ""]
    lines += ["## Bars", "", *_table(("figure", "value", "bar", ""), _bar_rows(results)), ""]
    for part in PARTS:
        lines += [f"## {part.name}: {part.about}", "", *_part(results, part.name), ""]
    return "\n".join(lines)


def _machine_line(machine: Facts) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine.get("packages", {}).items() if version)
    return f"{machine.get('device', 'no machine')}, {machine.get('cores', '?')} cores; {packages}"


def _bar_rows(results: Results) -> Iterable[Sequence[str]]:
    device = str(results.machine.get("device", ""))
    tests = results.cases("tests").values()
    wrong = sum(len(facts.get("failures", {})) + (FAILED in facts) for facts in tests)
    passed = sum(facts.get("passed", 0) for facts in tests)
    yield "tests marked gpu", f"{passed} passed, {wrong} failed", "all", MISSED if wrong or not passed else "met"
    for name in RECIPES:
        cases = results.cases(f"recipe {name}")
        compiled, fed = cases.get("compiled", {}), [facts for case, facts in cases.items() if case.startswith("fed")]
        found = {"clips/s": compiled.get("clips_per_sec"), "MFU": compiled.get("mfu")}
        found["data wait"] = min((facts["data_wait"] for facts in fed if "data_wait" in facts), default=None)
        found["headspace"] = max((facts["headspace"] for facts in fed if "headspace" in facts), default=None)
        bars = {"clips/s": CLIPS_PER_SEC.get(name), "MFU": MFU, "data wait": DATA_WAIT, "headspace": HEADSPACE}
        for figure, value in found.items():
            yield f"{name}, {figure}", _number(value), *_verdict(bars[figure], value, device)
    for name, facts in results.cases("resume").items():
        if name == "unbroken":
            continue
        equal = "yes" if facts.get("equal") else facts.get(FAILED) or facts.get(ABSENT) or "no"
        must = "same losses" if "NCCL" not in name else "where it allows two ranks on a GPU"
        missed = MISSED if "NCCL" not in name and equal != "yes" and ABSENT not in facts else ""
        yield name, equal, must, missed or ("met" if equal == "yes" else "")


def _verdict(bar: Bar | None, value: float | None, device: str) -> tuple[str, str]:
    if bar is None:
        return "", ""
    said = str(bar) + (f" on an {bar.only_on}" if bar.only_on else "")
    if bar.only_on not in device:
        return said, ""
    if value is None:
        return said, "not measured"
    return said, "met" if bar.met(value) else MISSED


def _part(results: Results, part: str) -> list[str]:
    cases = results.cases(part)
    if not cases:
        return ["Not run."]
    columns = list(dict.fromkeys(key for facts in cases.values() for key in facts if key not in _HIDDEN))
    rows = ((name, *(_cell(facts.get(key)) for key in columns)) for name, facts in cases.items())
    lines = _table(("case", *columns), rows)
    for facts in cases.values():
        if "kernels" in facts:
            rows = ((k["kernel"], str(k["ms"]), f"{k['share']:.1%}", str(k["calls"])) for k in facts["kernels"])
            lines += ["", *_table(("kernel", "ms a step", "share", "calls"), rows)]
    if not results.complete(part):
        lines += ["", "Not complete: the next call goes on."]
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value) if value else ""
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def main() -> None:
    """Print the summary of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder that `python -m benchmarks.gpu` was given")
    out = parser.parse_args().out
    if not (out / RESULTS).exists():
        sys.exit(f"benchmarks.gpu.summary: {out / RESULTS}: no such file")
    try:
        print(summary(Results(out / RESULTS)))
    except InputError as error:
        sys.exit(f"benchmarks.gpu.summary: {error}")


if __name__ == "__main__":
    main()
