"""Every test that is marked gpu, by pytest; one case with what passed, failed and was skipped, and why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.driver import ROOT
from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.train_command import last_line

TESTS = ROOT / "tests"


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return one case for each file that has such tests."""
    return {str(path.relative_to(ROOT)): lambda path=path: run_tests(path, setup.work) for path in gpu_test_files()}


def gpu_test_files() -> list[Path]:
    """Return the files with tests marked gpu: others may import what a machine for training does not have."""
    return sorted(path for path in TESTS.rglob("test_*.py") if "mark.gpu" in path.read_text())


def run_tests(path: Path, work: Path) -> Facts:
    """Run the marked tests of a file; raises RuntimeError if pytest cannot."""
    report = work / "tests.xml"
    options = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode not in (0, 1):  # all passed, some failed
        raise RuntimeError(f"pytest ended with status {done.returncode}: {last_line(done.stdout + done.stderr)}")
    return read_report(report)


def read_report(report: Path) -> Facts:
    """Return how many tests passed, and those that did not, by name with the first line of the reason."""
    passed, failures, skipped, seconds = 0, {}, {}, {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "")
        seconds[name] = round(float(case.get("time", 0)), 1)
        children = {child.tag: child.get("message", "") for child in case}
        why = {kind: children[kind] for kind in ("failure", "error", "skipped") if kind in children}
        if "skipped" in why:
            skipped[name] = why["skipped"].partition("\n")[0]
        elif why:
            failures[name] = next(iter(why.values())).partition("\n")[0][:300]
        else:
            passed += 1
    slow = dict(sorted(seconds.items(), key=lambda item: -item[1])[:5])
    return {"passed": passed, "failures": failures, "skipped": skipped, "slowest_sec": slow}
