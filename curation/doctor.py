"""What this machine has for the job: codecs, language data, Ray, PyTorch, disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from shards.errors import InputError


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `needed` says whether the toolkit works without it."""

    name: str
    good: bool
    what: str
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything but the decoders."""
    return [_encoder(), _parser(), _wordnet(), Finding("ray", True, version("ray")), _torch(), _disk()]


def _encoder() -> Finding:
    import av

    good = "libx264" in av.codecs_available
    return Finding(
        "encoder libx264", good, f"PyAV {av.__version__}" + ("" if good else "; install PyAV's wheel: pip install av")
    )


def _parser() -> Finding:
    from curation.parse import parse

    try:
        next(parse(["#C C takes plate"]))
    except InputError as error:
        return Finding("spaCy model", False, str(error))
    return Finding("spaCy model", True, "loads")


def _wordnet() -> Finding:
    from curation.wordnet import cache_folder

    return Finding("WordNet", True, f"shipped; unpacked into {cache_folder()} when dictionaries are built")


def _torch() -> Finding:
    import torch

    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("torch", True, f"{torch.__version__}, {', '.join(cards) or 'no GPU: trains on the CPU'}")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding("disk here", free > 1e9, f"{free / 1e9:,.0f} GB free")
