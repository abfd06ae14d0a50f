"""The parts of the acceptance run, the most valuable first, and where their cases are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from benchmarks.gpu.driver import Part
from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import Case, Setup

Cases = Callable[[Setup, Results], Mapping[str, Case]]

RECIPES = ("egovlp", "egovlpv2", "videomae", "videoprism-stage1", "videoprism-stage2")

PARTS = (
    Part("tests", "every test marked gpu", 45, 240),
    *(Part(f"recipe {name}", "clips/s, MFU, memory and data wait at the largest batch", 40, 240) for name in RECIPES),
    Part("resume", "killed and resumed: the same losses; two ranks on one GPU", 40, 180),
    Part("decode", "clips/s of host, device, nvJPEG and NVDEC", 20, 180),
    Part("attention", "SDPA's kernels, joint against divided attention", 30, 180),
    Part("profile", "the top kernels of the slowest recipe", 30, 120),
    Part("learn", "EgoVLP at ViT-S on invented videos: loss and EgoMCQ", 60, 330),
)
NAMES = tuple(part.name for part in PARTS)

_MODULES = {"tests": "gpu_tests", "resume": "resume", "decode": "decode", "attention": "attention"}
_MODULES |= {"profile": "profile_trace", "learn": "learn"} | {f"recipe {name}": "recipes" for name in RECIPES}


def cases_of(name: str, setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return the cases of a part by name; what a part needs is imported here, not by the driver."""
    module = import_module(f"benchmarks.gpu.{_MODULES[name]}")
    if name.startswith("recipe "):
        return module.cases(setup, results, name.removeprefix("recipe "))
    return module.cases(setup, results)
