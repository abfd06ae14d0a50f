"""How often, and the table: `--fuzz-scale 60` tries sixty times as many inputs, `--fuzz-table FILE` writes counts.

Without them three tenths are tried of what each test names.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.fuzz.harness import Tally, Target, fuzz, fuzz_isolated, table

SCALE = 0.3
TALLIES: list[Tally] = []


def pytest_addoption(parser):
    parser.addoption("--fuzz-scale", type=float, default=SCALE, help="times as many inputs of each target")
    parser.addoption("--fuzz-table", type=Path, help="where to write the counts, as a Markdown table")


@pytest.fixture
def clean(request, record_property):
    """Assert that of `inputs` broken inputs (times the scale) none is a finding: `clean(target, 500)`."""

    def check(target, inputs, memory_gb=None, refuses=True):
        count = round(inputs * request.config.getoption("--fuzz-scale", SCALE))
        tally = fuzz(target, count) if isinstance(target, Target) else fuzz_isolated(target, count, memory_gb)
        record_property("tally", json.dumps(asdict(tally)))
        assert not tally.findings, "\n".join([table([tally]), *tally.examples])
        assert not refuses or tally.refused, "no input was refused: this target breaks nothing"

    return check


def pytest_runtest_logreport(report):
    """Collect the counts where the session is led, also with several workers."""
    if report.when == "call":
        TALLIES.extend(Tally(**json.loads(value)) for key, value in report.user_properties if key == "tally")


def pytest_sessionfinish(session):
    path = session.config.getoption("--fuzz-table", None)
    if path and TALLIES and not hasattr(session.config, "workerinput"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table(sorted(TALLIES, key=lambda tally: tally.name)) + "\n")
