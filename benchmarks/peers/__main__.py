"""The stream beside its peers: `python -m benchmarks.peers --videos FOLDER [--data KEPT]`.

    python -m venv peers
    peers/bin/pip install -e . mosaicml-streaming litdata megatron-energon spdl opencv-python-headless

The same clips, 4 frames at 224, batch 32, one decoder and crop for all that read clips; each as its documentation
recommends, in a tree of processes of its own, one tree at a time, page cache warm, in rounds that take turns. Medians
of the rounds count, and the median of the rounds' ratios: a machine's speed drifts from minute to minute. Peak memory
is the proportional set size of the tree.

What is fair about it, and what is not: seconds to the first batch, and to go on at half an epoch, begin when the
loader is opened, with all imports done, and end with a batch in the trainer's process; a peer without a state reads its
way there. Rates count what follows the first dozen batches, with the CPU seconds of the whole tree; nobody looks at
the batches. Every tree carries the imports of this package (PyTorch, Arrow), which its decoder and crop need or bring,
so memory compares only what stands above them; batches on their way in shared memory that no process maps at the
moment, as the peers send them, are not in it, ours are. Peers' buffers are as large as their documentation has them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.peers.data import Data, source, write_all_chunks, write_profile
from benchmarks.peers.plot import draw
from benchmarks.process_tree import run_measured
from benchmarks.record import figure, write_record
from egocurate.ray_session import ray_session

CLIPS, ROUNDS = 1024, 5
CLIP_PEERS = {
    "ours": "EgoCurate, train",
    "ours_fast": "EgoCurate, fast",
    "wds": "webdataset",
    "mosaicml": "MosaicML Streaming",
    "lit": "LitData",
    "energon": "Energon",
    "spdl_threads": "SPDL",
}
CHUNK_PEERS = {"egovlp": "EgoVLP's 600 s chunks", "avion": "AVION's 15 s chunks"}
NAMES = CLIP_PEERS | CHUNK_PEERS
DOCS = Path(__file__).parents[2] / "docs"


def measure(data: Data, rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return a figure of each peer: clips/s with 2 workers, and all else that was measured beside it."""
    found: dict[str, dict[str, object]] = {name: _child(name, data, 1, "build") for name in NAMES}
    for name in [name for name in NAMES if "failed" not in found[name]]:
        found[name]["runs"] = []
    for number in range(rounds):
        for name in CLIP_PEERS if number else NAMES:  # chunks are so far behind that once will do
            for workers in (2,) if number or name in CHUNK_PEERS else (2, 1):
                if "runs" in found[name]:
                    found[name]["runs"].append({"workers": workers, **_child(name, data, workers, "speed")})
    for name in CLIP_PEERS:
        if "runs" in found[name]:
            found[name] |= _resumed(name, data)
    figures = [_figure(NAMES[name], facts) for name, facts in found.items()]
    return figures + _ratios(found)


def prepare(videos: Path, data: Data) -> None:
    """Cut the clips and chunks, unless a run before has."""
    if (data.folder / "windows.json").exists():
        return
    data.folder.mkdir(parents=True, exist_ok=True)
    video = source(videos, data.folder)
    with ray_session():
        for name in ("train", "fast"):
            write_profile(video, name, CLIPS, data.shards(name))
    write_all_chunks(video, data, CLIPS)


def _child(name: str, data: Data, workers: int, what: str) -> dict[str, object]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.run", name, str(data.folder), str(workers), what]
    try:
        usage = run_measured(command)
    except subprocess.CalledProcessError as error:
        return {"failed": f"{what}: exit status {error.returncode}"}
    line = next(line for line in reversed(usage.output.splitlines()) if line.startswith("{"))
    print(f"{name}, {workers} workers, {what}: {line[:100]}", file=sys.stderr, flush=True)
    return {**json.loads(line), "peak_mb": round(usage.peak_bytes / 1e6)}


def _resumed(name: str, data: Data) -> dict[str, object]:
    """Stop with 2 workers at half an epoch, go on with 2 and with 1, and compare what follows."""
    (data.folder / f"{name}.state").unlink(missing_ok=True)
    goes_on = _child(name, data, 2, "save")
    again = [_child(name, data, workers, "resume") for workers in (2, 2, 2, 1)]
    same, other = again[0], again[-1]
    has_state = bool(goes_on.get("state"))
    facts = {"resume": "state" if has_state else "none: reads its way there"}
    if "resume_sec" in same:
        facts["resume_sec"] = round(median(run["resume_sec"] for run in again[:-1] if "resume_sec" in run), 2)
    for title, then in (("2 workers", same), ("1 worker", other)):
        refused = f"refused ({then['refused'].strip(': ')})" if "refused" in then else None
        for part in ("keys", "tensors"):
            equal = has_state and part in then and then[part] == goes_on[part]
            facts[f"same {part}, {title}"] = "yes" if equal else refused or then.get("failed", "no")
    return facts


def _figure(title: str, facts: Mapping) -> dict[str, object]:
    two, one = (_runs(facts, workers) for workers in (2, 1))
    if not two:
        failures = [run["failed"] for run in facts.get("runs", []) if "failed" in run]
        return figure(title, 0.0, "clips/s") | {"failed": facts.get("failed", failures)}
    middle = {key: median(run[key] for run in two) for key in two[0] if key != "workers"}
    rest = {key: value for key, value in facts.items() if key not in ("runs", "peak_mb")}
    return figure(title, middle["clips_per_sec"], "clips/s") | {
        "one_worker": round(one[0]["clips_per_sec"], 1) if one else None,
        "per_core": round(middle["clips_per_cpu_sec"], 1),
        "first_batch_sec": round(middle["first_batch_sec"], 2),
        "peak_mb": round(middle["peak_mb"]),
        **rest,
    }


def _runs(facts: Mapping, workers: int) -> list[dict]:
    return [run for run in facts.get("runs", []) if "failed" not in run and run["workers"] == workers]


def _ratios(found: Mapping[str, Mapping]) -> list[dict[str, object]]:
    rates = {name: [run["clips_per_cpu_sec"] for run in _runs(facts, 2)] for name, facts in found.items()}
    others = [name for name in NAMES if name not in ("ours", "ours_fast") and rates[name]]

    def over(ours: str, name: str) -> float:
        return median(a / b for a, b in zip(rates[ours], rates[name], strict=False))

    nearest = min(over("ours", name) for name in others if name in CLIP_PEERS)
    figures = [figure("train per core over the nearest peer on the same clips", nearest, "x", "> 1")]
    for name in others:
        figures.append(figure(f"train per core over {NAMES[name]}", over("ours", name), "x"))
        figures.append(figure(f"fast per core over {NAMES[name]}", over("ours_fast", name), "x"))
    return figures


def main() -> None:
    """Measure, write the record and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of first-person footage")
    parser.add_argument("--data", type=Path, help="folder in which clips and chunks stay for the next run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Data(arguments.data or Path(scratch))
        prepare(arguments.videos, data)
        figures = measure(data, arguments.rounds)
    write_record("peers", figures)
    draw([found for found in figures if "per_core" in found], DOCS / "peers.png")


if __name__ == "__main__":
    main()
