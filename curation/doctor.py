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


def examine(decoders: dict[str, str]) -> list[Finding]:
    """Look at everything; `decoders` maps each decoder's name to "" where it loads, else to why it does not."""
    findings = [_encoder(), *_language(), Finding("ray", True, version("ray")), _torch(), _disk()]
    for name, reason in decoders.items():
        findings.append(Finding(f"decoder {name}", not reason, reason or "loads", needed=name == "pyav"))
    return findings


def _encoder() -> Finding:
    import av

    good = "libx264" in av.codecs_available
    return Finding(
        "encoder libx264", good, f"PyAV {av.__version__}" + ("" if good else "; install PyAV's wheel: pip install av")
    )


def _language() -> list[Finding]:
    from curation.tagger import load_parser
    from curation.wordnet import open_wordnet

    found = []
    for name, load in (("spaCy model", load_parser), ("WordNet", open_wordnet)):
        try:
            load()
            found.append(Finding(name, True, "loads"))
        except InputError as error:
            found.append(Finding(name, False, str(error)))
    return found


def _torch() -> Finding:
    import torch

    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("torch", True, f"{torch.__version__}, {', '.join(cards) or 'no GPU: trains on the CPU'}")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding("disk here", free > 1e9, f"{free / 1e9:,.0f} GB free")
