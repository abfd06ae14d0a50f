"""The verbs that show: what `curate show`, `curate windows` and `curate report` print and draw."""

import json
import re
from pathlib import Path

import pytest

from egocurate.commands.curate import main
from egocurate.curation.clips.window_rules import WINDOWS

ROOT = Path(__file__).parents[3]


def curate(capsys, *arguments):
    """Run a verb in this process; returns (exit status, stdout, stderr)."""
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    printed = capsys.readouterr()
    return left.value.code or 0, printed.out, printed.err


def test_windows_explains_its_strategies_and_columns_and_advises(tiny_root, capsys):
    status, printed, _ = curate(capsys, "windows", "--ego4d-root", tiny_root)
    assert status == 0
    table, strategies, columns, advice = printed.strip().split("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(WINDOWS)
    assert [line.split()[0] for line in strategies.splitlines()[1:]] == list(WINDOWS)
    assert [line.split()[0] for line in columns.splitlines()[1:]] == table.split("\n")[0].split()[1:]
    assert all(len(line.split()) > 3 for part in (strategies, columns) for line in part.splitlines()[1:])
    assert advice.startswith("Which to take\n")


def test_windows_as_json_is_nothing_but_json(tiny_root, capsys):
    status, printed, _ = curate(capsys, "windows", "--ego4d-root", tiny_root, "--json")
    assert status == 0
    assert [row["strategy"] for row in json.loads(printed)] == list(WINDOWS)


def test_the_advice_has_the_figures_that_were_measured():
    from egocurate.curation.clips.compare_windows import ADVICE

    measured = json.loads((ROOT / "benchmarks" / "results" / "windows.json").read_text())["figures"]
    of = {one["what"]: one["value"] for one in measured}
    fitted_on = "EPIC_100_uda_source_train.csv.gz"
    crossed = of[f"adaptive, {fitted_on} (fitted on it, 5-fold cross-validation by videos)"]
    others = [of[f"{name}, {fitted_on} (adaptive was fitted on it)"] for name in ("egoclip", "midpoints")]
    assert re.findall(r"0\.\d+", " ".join(ADVICE)) == [f"{value + 1e-9:.2f}" for value in (crossed, *others)]
