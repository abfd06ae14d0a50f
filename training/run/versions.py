"""What a run was started with: versions, devices, commit and command line."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from egocurate.training.distributed.ranks import Ranks

PACKAGES = ("egocurate", "torch", "transformers", "tokenizers", "numpy", "av", "decord", "torchcodec")


def versions(ranks: Ranks) -> dict[str, Any]:
    """Return what this start of a run has, devices counted by name over all ranks; every rank calls this."""
    device = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else _processor()
    devices = [device]
    if ranks.size > 1:
        devices = [""] * ranks.size
        dist.all_gather_object(devices, device)
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "commit": commit_of(Path(__file__).resolve()),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "ranks": ranks.size,
        "devices": dict(Counter(devices)),
        "precision": "bf16" if ranks.bf16 else "fp32",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    names = [line for line in _cpu_lines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def commit_of(file: Path) -> str | None:
    """Return the commit that a file is of, with -dirty if the tree differs from it; None if no repository has it."""
    tracked = _git(file, "ls-files", "--error-unmatch", file.name)
    return _git(file, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") if tracked else None


def _git(file: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=file.parent, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # no git, or a folder that takes too long
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
