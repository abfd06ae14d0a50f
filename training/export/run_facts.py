"""What a run's folder tells of its model: figures, data, machines; what is not there is not told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note
from egocurate.storage.redacted import redacted
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.monitor.read_metrics import read_metrics
from egocurate.training.run.model_source import Loaded

_NOT_THERE = (OSError, InputError)


@dataclass(frozen=True)
class RunFacts:
    """What is known of how a model came to be."""

    figures: dict[str, str] = field(default_factory=dict)
    """of its step, by name"""
    shards: tuple[dict[str, str], ...] = ()
    """of each folder that it has learned from: name, clips, profile, plan"""
    start: dict[str, Any] = field(default_factory=dict)
    """the last start: packages, devices, ranks, commit"""


def facts_of(loaded: Loaded, config: TrainConfig) -> RunFacts:
    """Return what the folder of a run tells; nothing for weights that have none."""
    run, step = Path(config.out), loaded.origin.get("step")
    if not isinstance(step, int) or not (run / "metrics.csv").is_file():
        return RunFacts()
    start: dict[str, Any] = {}
    with suppress(*_NOT_THERE):
        start = next((one for one in reversed(read_note(run / "versions.json", list)) if isinstance(one, dict)), {})
    return RunFacts(_figures(run, step), tuple(map(_shards, config.shards)), start)


def _figures(run: Path, step: int) -> dict[str, str]:
    """Return the last loss and EgoMCQ up to a step, and EgoMCQ before the first."""
    try:
        rows = [row for row in read_metrics(run / "metrics.csv").rows if int(row["step"]) <= step]
    except _NOT_THERE:
        return {}
    figures = {}
    for row in reversed(rows):
        if row.get("loss"):
            figures[f"loss, step {row['step']}"] = f"{float(row['loss']):.4f}"
            break
    for kind in ("inter", "intra"):
        answered = [(row["step"], float(row[f"mcq_{kind}"])) for row in rows if row.get(f"mcq_{kind}")]
        if answered:
            (first, before), (last, after) = answered[0], answered[-1]
            began = f" (step {first}: {before:.1f} %; chance: 20 %)" if first != last else " (chance: 20 %)"
            figures[f"EgoMCQ {kind}-video, step {last}"] = f"{after:.1f} %{began}"
    return figures


def _shards(folder: str) -> dict[str, str]:
    """Return what the manifest of a shard folder counts, as far as it is at hand."""
    facts = {"folder": Path(redacted(folder)).name}
    with suppress(*_NOT_THERE, KeyError, TypeError, ValueError):
        manifest = read_note(Path(folder) / "manifest.json", dict)
        facts |= {
            "clips": f"{int(manifest['samples']):,}",
            "profile": str(manifest["profile"]["name"]),
            "classes": str(manifest["planned"].get("classes", "")),
            "plan": str(manifest["plan"])[:16],
        }
    return facts
