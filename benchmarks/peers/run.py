"""One peer in a process of its own, which prints a line of JSON: `run.py PEER DATA WORKERS build|speed|save|resume`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import pickle
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.peers.common import BATCH, SEED, Batch, Loader, Peer, state_of
from benchmarks.peers.data import Data
from benchmarks.process_tree import cpu_seconds

WARM_BATCHES = 12  # what was read ahead before the clock starts is used up, and memory that is used again is touched
STEADY_SECONDS = 3.0
COMPARED = 4  # batches after the stop


def speed(peer: Peer, data: Data, workers: int) -> dict[str, float]:
    """Return seconds to the first batch, and clips per second and per CPU second of the tree after it."""
    began = time.perf_counter()
    batches = _endless(peer.open(data, workers))
    next(batches)
    first = time.perf_counter() - began
    for _ in range(0 if slow(peer) else WARM_BATCHES):
        next(batches)
    clips, cpu, began = 0, cpu_seconds(os.getpid()), time.perf_counter()
    while (wall := time.perf_counter() - began) < STEADY_SECONDS:
        clips += len(next(batches)[0])
    cpu = cpu_seconds(os.getpid()) - cpu
    return {"first_batch_sec": first, "clips_per_sec": clips / wall, "clips_per_cpu_sec": clips / cpu}


def save(peer: Peer, data: Data, workers: int) -> dict[str, object]:
    """Stop at half an epoch, keep the state, and return digests of the batches that follow."""
    loader = peer.open(data, workers)
    batches = loader.epoch()
    for _ in range(_half(data)):
        next(batches)
    state = state_of(loader)
    if state is None:
        return {"state": False}
    _state_file(data, peer).write_bytes(pickle.dumps(state))
    return {"state": True, **_digests(batches)}


def resume(peer: Peer, data: Data, workers: int) -> dict[str, object]:
    """Go on from the state, or by reading half an epoch where there is none; return seconds to the batch, digests."""
    began = time.perf_counter()
    loader = peer.open(data, workers)
    path = _state_file(data, peer)
    if path.exists():
        try:
            loader.load(pickle.loads(path.read_bytes()))
            batches = loader.epoch()
            first = next(batches)
        except Exception as error:
            return {"refused": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
    else:
        batches = loader.epoch()
        for _ in range(_half(data)):
            next(batches)
        first = next(batches)
    return {"resume_sec": time.perf_counter() - began, **_digests(batches, [first])}


def slow(peer: Peer) -> bool:
    """Tell whether a peer reads chunks of whole videos: seconds for a batch."""
    return peer.__name__.endswith(("egovlp", "avion"))


def _endless(loader: Loader) -> Iterator[Batch]:
    while True:
        yield from loader.epoch()


def _digests(batches: Iterator[Batch], seen: list[Batch] | None = None) -> dict[str, list[str]]:
    seen = seen or []
    seen += [next(batches) for _ in range(COMPARED - len(seen))]
    tensors = [hashlib.sha256(frames.numpy().tobytes()).hexdigest() for _, frames in seen]
    return {"keys": ["|".join(keys) for keys, _ in seen], "tensors": tensors}


def _half(data: Data) -> int:
    return len(data.windows()) // BATCH // 2


def _state_file(data: Data, peer: Peer) -> Path:
    return data.folder / f"{peer.__name__.rpartition('.')[2]}.state"


def main() -> None:
    """Do one thing and print what came of it."""
    name, folder, workers, what = sys.argv[1:]
    torch.set_num_threads(1)
    random.seed(SEED)
    torch.manual_seed(SEED)
    peer: Peer = importlib.import_module(f"benchmarks.peers.{name}")
    data = Data(Path(folder))
    if what == "build":
        peer.build(data)
        found: dict[str, object] = {"version": importlib.metadata.version(peer.PACKAGE)}
    else:
        found = {"speed": speed, "save": save, "resume": resume}[what](peer, data, int(workers))
    print(json.dumps(found), flush=True)
    os._exit(0)  # some leave processes that wait for the end of others


if __name__ == "__main__":
    main()
