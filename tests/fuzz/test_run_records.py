"""What the readers of run records make of broken ones: verbs that go on in a folder, the report, runs of training."""

import json
import math
import re
from pathlib import Path

import pytest

from egocurate.commands.jobs.given_egoclip import find_egoclip, refuse_other_lexicon
from egocurate.commands.output.run_record import open_run, read_run
from egocurate.commands.report.page import _about, _funnel
from egocurate.commands.report.questions import in_words
from egocurate.commands.report.settings import differing, read_settings
from tests.fuzz.broken import broken_json_text
from tests.fuzz.harness import Target

CONFIG = {"window": "egoclip", "alpha": 4.9, "filters": ["val_test", "stereo"], "min_clip_seconds": 0.0}
INPUTS = {"narration.json": "10:" + "a" * 64, "lexicon": "b" * 64}
X = "1:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of a file that holds an x
EGOCLIP = {
    "format": 2,
    "verb": "egoclip",
    "command": "curate egoclip --ego4d-root R --out O",
    "started": "2025-01-02T03:04:05+00:00",
    "config": CONFIG,
    "inputs": INPUTS,
    "versions": {"python": "3.11.4", "egocurate": "0.1.0"},
    "seconds": 12.5,
    "counts": {
        "narrations": {"narrations": 20, "val_test": 18, "stereo": 15},
        "clips": 15,
        "videos": 3,
        "rejected": {"val_test": 2, "stereo": 3},
        "beta": {"alpha": 4.9, "passes": 4, "passes_without_gap": 0, "mean": 3.5, "least": 1.0, "greatest": 7.5},
        "notes": ["narration.json has 3 videos"],
    },
    "files": {"egoclip.csv": X, "lexicon/narration_verb_taxonomy.csv": X},
}
EGOMCQ = {
    **EGOCLIP,
    "verb": "egomcq",
    "config": {"videos": "val", "inter": 10, "intra": 5, "seed": 0, "alpha": 4.9, "mean_gap_sec": None},
    "counts": {
        "inter": 10,
        "intra": 4,
        "inter_asked": 10,
        "intra_asked": 5,
        "alpha": 4.9,
        "mean_gap_sec": 3.5,
        "short": ["few"],
        "leak": 0,
    },
    "files": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An output folder with the files that the record of egoclip names."""
    out = tmp_path / "out"
    for name in EGOCLIP["files"]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    return out


def is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def are_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def is_record(record: dict) -> bool:
    """Tell whether a record is one, whatever it says; docs/formats.md has the rules."""
    counts, files = record["counts"], record.get("files", {})
    beta = counts.get("beta", {"alpha": counts.get("alpha", 1.0)})
    return (
        isinstance(record["config"], dict)
        and are_texts(record["inputs"])
        and are_texts(record.get("versions", {}))
        and are_texts(files)
        and all(re.fullmatch(r"[0-9]+:[0-9a-f]{64}", written) for written in files.values())
        and all(re.fullmatch(r"[\w.-]+(/[\w.-]+)*", name) and ".." not in name.split("/") for name in files)
        and isinstance(record.get("started", ""), str)
        and is_number(record.get("seconds", 0))
        and is_number(beta["alpha"])
        and beta["alpha"] > 0
        and all(map(is_count, counts.get("narrations", {}).values()))
        and all(is_count(counts.get(name, 0)) for name in ("clips", "videos", "inter", "intra", "leak"))
    )


def test_record_of_egoclip(folder: Path, clean):
    path = folder / "egoclip.run.json"

    def read(data: bytes) -> tuple:
        path.write_bytes(data)
        run = open_run(folder, "egoclip", CONFIG, INPUTS, may_grow=True)
        sum(run.counts[name] for name in ("clips", "videos"))
        f"{run.counts['beta']['alpha']:.2f} {sorted(run.counts['rejected'])}"
        (folder / "egoclip.parquet").touch()
        given = find_egoclip(folder, folder)
        refuse_other_lexicon(folder, "egoclip", INPUTS["lexicon"])
        return run.done, run.counts, given.alpha, given.mean_gap_sec

    def right(data: bytes, found: tuple) -> bool:
        record = json.loads(data)
        done, counts, alpha, mean = found
        whole = record.get("files", {}).items() <= EGOCLIP["files"].items()
        whole = whole and (record["config"], record["inputs"]) == (CONFIG, INPUTS)
        beta = counts["beta"]
        told = repr(counts) == repr(record["counts"]) and (alpha, mean) == (beta["alpha"], beta.get("mean"))
        return is_record(record) and record["format"] == 2 and told and (whole or not done)

    clean(Target("egoclip.run.json", [EGOCLIP], broken_json_text, read, right), 120)


def test_record_of_egomcq(tmp_path: Path, clean):
    path = tmp_path / "egomcq.run.json"

    def read(data: bytes) -> dict:
        path.write_bytes(data)
        run = open_run(tmp_path, "egomcq", EGOMCQ["config"], INPUTS)
        f"{run.counts['alpha']:.2f} s, {run.counts['leak']:,} {', '.join(run.counts['short'])} {in_words(run.counts)}"
        return run.counts

    def right(data: bytes, found: dict) -> bool:
        record = json.loads(data)
        return is_record(record) and repr(found) == repr(record["counts"]) and record["inputs"] == INPUTS

    clean(Target("egomcq.run.json", [EGOMCQ], broken_json_text, read, right), 120)


class OneRun:
    """What the report's page asks of a folder, of one record alone."""

    def __init__(self, folder: Path, verb: str) -> None:
        record = read_run(folder, verb)
        self.runs = {} if record is None else {verb: record}


def test_records_in_a_report(tmp_path: Path, clean):
    other = {"egoclip": {"window": "adaptive"}}

    def read(data: bytes) -> dict:
        (tmp_path / "egoclip.run.json").write_bytes(data)
        one = OneRun(tmp_path, "egoclip")
        settings = read_settings(tmp_path)
        assert all(isinstance(fact, str) for row in [*differing(settings, other), [_about(one)]] for fact in row)
        return settings | {"steps": [(step.name, step.left, step.lost) for step in _funnel(one)["steps"]]}

    def right(data: bytes, found: dict) -> bool:
        record = json.loads(data)
        window = found["egoclip"].get("window", "-")
        lost = sum(lost for _, _, lost in found["steps"])
        left = list(record["counts"]["narrations"].values())
        shown = window == str(record["config"]["window"]) or record["config"]["window"] in ("", None)
        return is_record(record) and shown and lost == record["counts"]["narrations"]["narrations"] - left[-1]

    clean(Target("run records in a report", [EGOCLIP], broken_json_text, read, right), 120)
