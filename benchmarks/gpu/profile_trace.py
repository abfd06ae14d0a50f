"""Where the time of the slowest recipe's step goes: its top kernels, and a trace to look at."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import replace

from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.configs import SMALL_BATCH, recipe_config, with_batch
from benchmarks.gpu.parts import RECIPES
from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.trainer import Trainer
from egocurate.storage.atomic import atomic_write
from egocurate.training.distributed.ranks import single_rank

TRACE = "trace.json.gz"
_STEPS, _TOP, _ANCHORS = 2, 20, 32


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return one case: the recipe of the lowest MFU so far, or EgoVLP."""
    return {slowest(results): lambda: measure(setup, slowest(results))}


def slowest(results: Results) -> str:
    """Return the recipe whose compiled step has the lowest MFU; where none is known, the first."""
    known = {name: results.cases(f"recipe {name}").get("compiled", {}).get("mfu") for name in RECIPES}
    shares = {name: share for name, share in known.items() if share is not None}
    return min(shares, key=shares.__getitem__) if shares else RECIPES[0]


def measure(setup: Setup, name: str) -> Facts:
    """Profile two compiled steps (eager on a CPU) on a cached batch; returns ms and share of each top kernel."""
    anchors, on_gpu = (SMALL_BATCH if setup.small else _ANCHORS), setup.device == "cuda"
    config = with_batch(recipe_config(setup, name), setup.shards("train"), anchors)
    config = replace(config, compile=on_gpu)
    trainer = Trainer(config, single_rank(config))
    for _ in range(3 if on_gpu else 1):
        trainer.cached_step(anchors)
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as found:
        for _ in range(_STEPS):
            trainer.cached_step(anchors)
        if on_gpu:
            trainer.sample.frames.sum().item()  # waits for what the steps have begun
    _write_trace(found, setup)
    times = {event.key: (_microseconds(event, on_gpu), event.count) for event in _events(found, on_gpu)}
    total = sum(time for time, _ in times.values())
    top = sorted(times.items(), key=lambda item: -item[1][0])[:_TOP]
    kernels = [
        {"kernel": key[:120], "ms": round(time / 1000 / _STEPS, 3), "share": round(time / total, 4)}
        | {"calls": count // _STEPS}
        for key, (time, count) in top
        if time
    ]
    return {"recipe": name, "anchors": anchors, "ms of a step": round(total / 1000 / _STEPS, 2), "kernels": kernels}


def _events(found: profile, on_gpu: bool) -> list[FunctionEventAvg]:
    """Return what ran on the device: on a GPU kernels, without the operators that started them and count them too."""
    device = DeviceType.CUDA if on_gpu else DeviceType.CPU
    return [event for event in found.key_averages() if event.device_type == device and not event.is_user_annotation]


def _microseconds(event: FunctionEventAvg, on_gpu: bool) -> float:
    return event.self_device_time_total if on_gpu else event.self_cpu_time_total


def _write_trace(found: profile, setup: Setup) -> None:
    plain = setup.work / "trace.json"
    found.export_chrome_trace(str(plain))
    atomic_write(setup.out / TRACE, lambda file: file.write(gzip.compress(plain.read_bytes())))
    plain.unlink()
