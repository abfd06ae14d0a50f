"""Weights as files: read them from disk or from the hub, rename them, and load what fits into a module.

What a published file calls its parts is known beside each model (models/<name>/weights.py, layers/image_weights.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import is_zipfile

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from egocurate.errors import InputError
from egocurate.models.released_names import is_of_layer

_FILES = (".safetensors", ".pth", ".pt", ".bin")
_NESTED = ("state_dict", "model", "module")  # where a training checkpoint keeps its weights


@dataclass(frozen=True)
class LoadReport:
    """Names of parameters: those loaded, ours that the file lacks, the file's that have no place or another shape."""

    loaded: list[str]
    missing: list[str]
    unused: list[str]

    def __str__(self) -> str:
        return f"{len(self.loaded)} loaded, {len(self.missing)} kept as drawn, {len(self.unused)} of the file unused"


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the module's parameters and buffers as a safetensors file."""
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)


def load_weights(module: nn.Module, source: str) -> LoadReport:
    """Load what `save_weights` wrote, or any file with the module's own names; ValueError if nothing fits."""
    return load_state(module, read_weights(source), source)


def read_weights(source: str) -> dict[str, Tensor]:
    """Read a file .safetensors/.pth, or a hub name's model.safetensors; ValueError if it is neither.

    Nothing that a file holds beside tensors is run or kept: a release's own objects are read as stand-ins.
    """
    path = Path(source)
    if not path.is_file():
        if path.suffix in _FILES:
            raise ValueError(f"weights {source!r}: no such file")
        try:
            path = Path(hf_hub_download(source, "model.safetensors"))
        except (OSError, ValueError) as error:
            raise ValueError(f"weights {source!r}: no such file or folder, and the hub does not give it") from error
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with safe_globals(_stand_ins(path)):
            # Mapped, as safetensors are: whoever asks for names and shapes alone reads no tensor.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # a broken file makes torch raise anything
        raise ValueError(
            f"weights {source!r}: not a file of tensors, not a whole one, or one that cannot be read without running "
            "its code: take another, or save its state_dict alone"
        ) from error
    state = state if isinstance(state, dict) else {}
    state = next((state[key] for key in _NESTED if key in state), state)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


class _StandIn:
    """In place of an object of a release's own code (its config, its arguments): keeps nothing, runs nothing."""

    def __new__(cls, *arguments: object) -> Self:
        """Take whatever the object was made of."""
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        """Keep nothing."""

    def __setstate__(self, state: object) -> None:
        """Keep nothing."""


def _stand_ins(path: Path) -> list[tuple[type, str]]:
    """Return a stand-in for each class and function that a file of torch.save names, beyond those of tensors."""
    try:
        names = get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # of before torch 1.6, or no such file: `torch.load` says so
        return []
    return [(type(name.rpartition(".")[2], (_StandIn,), {}), name) for name in names]


def load_state(module: nn.Module, state: dict[str, Tensor], source: str) -> LoadReport:
    """Load the tensors whose name and shape fit the module; ValueError naming the source if none does."""
    ours = module.state_dict()
    fits = {name: value for name, value in state.items() if name in ours and ours[name].shape == value.shape}
    if not fits:
        raise ValueError(f"weights {source!r}: none of its {len(state)} tensors fits the model")
    module.load_state_dict(fits, strict=False)
    return LoadReport(sorted(fits), sorted(ours.keys() - fits.keys()), sorted(state.keys() - fits.keys()))


def check_whole(report: LoadReport, weights: str, kind: str) -> None:
    """Raise InputError, one line, for a release that lacks tensors of a kind of model, or has layers beyond its own."""
    if report.missing:
        raise InputError(
            f"weights {weights!r}: {len(report.missing)} of the {len(report.loaded) + len(report.missing)} tensors of "
            f"{kind} are missing or of another shape, {report.missing[0]} is one: take the whole release of its authors"
        )
    if beyond := [name for name in report.unused if is_of_layer(name)]:
        raise InputError(
            f"weights {weights!r}: {len(beyond)} tensors have no place in a layer of this {kind}, {beyond[0]} is one: "
            "a model of another size or kind"
        )


def replace_patterns(name: str, patterns: Iterable[tuple[str, str]]) -> str:
    """Return a parameter's name after each (regular expression, replacement) in turn."""
    for pattern, ours in patterns:
        name = re.sub(pattern, ours, name)
    return name


def replace_prefix(name: str, prefixes: Mapping[str, str]) -> str:
    """Return a parameter's name with the first of their prefixes that it has replaced by ours; as it is if it has none.

    prefixes: theirs -> ours.
    """
    theirs = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
    return name if theirs is None else prefixes[theirs] + name.removeprefix(theirs)


def inverted(prefixes: Mapping[str, str]) -> dict[str, str]:
    """Return prefixes the other way round, ours -> theirs, for `replace_prefix`: of two that fit, the longer first.

    Raises ValueError if two of theirs have one of ours: then there is no way back.
    """
    back = {ours: theirs for theirs, ours in prefixes.items()}
    if len(back) < len(prefixes):
        raise ValueError("two names of a part have one of ours")
    return dict(sorted(back.items(), key=lambda pair: -len(pair[0])))
