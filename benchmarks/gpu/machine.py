"""What the machine is, and what it lacks; `python -m benchmarks.gpu.machine cuda` prints it as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from benchmarks.gpu.setup import Facts, Setup
from egocurate.errors import InputError

NEEDED = {
    "av": "av",
    "upath": "universal-pathlib",
    "pyarrow": "pyarrow",
    "pandas": "pandas",
    "PIL": "pillow",
    "matplotlib": "matplotlib",
    "tensorboard": "tensorboard",
    "transformers": "transformers",
    "rich": "rich",
    "typer": "typer",
    "pytest": "pytest",
}
"""Module -> package, beside torch, of what the run imports; what cuts from narrations (spaCy, Ray) is not in it."""
_NAMED = ("torch", "torchvision", "torchcodec", "triton", "transformers", "tokenizers", "numpy", "av", "simplejpeg")


def missing_packages() -> list[str]:
    """Return the packages that the run needs and this machine has not."""
    return [package for module, package in NEEDED.items() if find_spec(module) is None]


def describe(setup: Setup) -> Facts:
    """Return versions, cores, memory and the GPU; raises InputError for a GPU that is not there.

    torch is asked in a process of its own: this one shall hold nothing on the GPU.
    """
    command = [sys.executable, "-m", "benchmarks.gpu.machine", setup.device]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError(f"torch does not load: {found.stderr.strip().rpartition(chr(10))[2]}")
    device = json.loads(found.stdout)
    if not device:
        raise InputError("torch sees no GPU here: --device cpu --small shows that the parts work")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    facts: Facts = {"cores": setup.cores, "memory_gib": round(memory / 2**30, 1), "processor": platform.machine()}
    return facts | {"small": setup.small, "packages": {name: _version(name) for name in _NAMED}} | device


def describe_device(device: str) -> Facts:
    """Return what torch knows of a device; nothing if it is not there."""
    if device == "cpu":
        return {"device": "cpu"}
    import torch

    if not torch.cuda.is_available():
        return {}
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "device_gib": round(properties.total_memory / 2**30, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(json.dumps(describe_device(sys.argv[1])))
