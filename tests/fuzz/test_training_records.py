"""What a training run that goes on makes of broken files of its folder: versions, inputs, results, figures."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.curves import read_curves
from egocurate.training.monitor.metrics_log import MetricsTable
from egocurate.training.run.claim_run import VERSIONS, claim_run
from egocurate.training.run.run_inputs import INPUTS, check_sources, check_tokenizer, describe_changes, note_inputs
from tests.fuzz.broken import broken_json_text
from tests.fuzz.broken_tables import broken_csv
from tests.fuzz.harness import Target

STARTS = [{"started": "2025-01-02T03:04:05+00:00", "command": "train.py x", "ranks": 1, "packages": {"torch": "2"}}]
METRICS = [
    ["step", "loss", "egonce", "lr", "clips_per_sec", "data_wait", "mfu", "mcq_inter", "mcq_intra"],
    ["1", "2.5", "2.5", "0.001", "100.5", "0.01", "", "", ""],
    ["2", "2.25", "2.25", "1e-05", "110", "0.02", "", "", ""],
    ["2", "", "", "", "", "", "", "25.0", "20.0"],
]


@pytest.fixture
def config(tmp_path: Path):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.txt").write_text("x")
    return replace(RECIPES["egovlp-tiny"](), out=str(tmp_path / "run"), tokenizer=str(tokenizer))


def test_versions(config, clean):
    path, ranks = Path(config.out) / VERSIONS, Ranks(0, 1, torch.device("cpu"), False)
    path.parent.mkdir()

    def read(data: bytes) -> list:
        path.write_bytes(data)
        claim_run(config, ranks)
        return json.loads(path.read_text())

    def right(data: bytes, found: list) -> bool:
        before = json.loads(data)
        return (
            isinstance(before, list)
            and all(isinstance(one, dict) for one in before)
            and repr(found[:-1]) == repr(before)
        )

    clean(Target("versions.json", [STARTS], broken_json_text, read, right), 40)


def test_inputs(config, clean):
    path, ranks = Path(config.out) / INPUTS, Ranks(0, 1, torch.device("cpu"), False)
    claim_run(config, ranks)
    note_inputs(config)
    whole = json.loads(path.read_text())

    def read(data: bytes) -> bool:
        path.write_bytes(data)
        check_tokenizer(config)
        check_sources(config, {"tokenizer": config.tokenizer})
        assert all(isinstance(line, str) for line in describe_changes(config))
        return True

    def right(data: bytes, found: bool) -> bool:
        noted = json.loads(data)
        return noted.get("tokenizer") == whole["tokenizer"] and all(isinstance(one, str) for one in noted.values())

    clean(Target("inputs.json", [whole], broken_json_text, read, right), 200)


def test_metrics(tmp_path: Path, clean):
    path = tmp_path / "metrics.csv"

    def read(data: bytes) -> list[tuple]:
        path.write_bytes(data)
        table = MetricsTable(path, 1)
        table.add({"step": 2, "loss": 2.0})
        table.close()
        curves = read_curves(path)
        return [(name, steps.tolist(), values.tolist()) for name, (steps, values) in curves.items()]

    def right(data: bytes, found: list[tuple]) -> bool:
        header, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
        rows = [dict(zip(header, row, strict=True)) for row in rows]
        rows = [row for row in rows if int(row["step"]) <= 1] + [{"step": "2", "loss": "2.0"}]
        told: dict[str, tuple] = {}
        for row in rows:
            for name, cell in row.items():
                if cell and name != "step":
                    steps, values = told.setdefault(name, ([], []))
                    steps.append(float(row["step"]))
                    values.append(float(cell))
        said = {name: (steps, values) for name, steps, values in found}
        return header.count("step") == 1 and repr(said) == repr(told)

    clean(Target("metrics.csv", [METRICS], broken_csv, read, right), 200)
