"""Folders of transformers' models, and names on the hub: what is in them is data, no code of theirs is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from egocurate.errors import InputError
from egocurate.models.frozen.encoder import Pixels
from egocurate.models.released_names import HUB_CONFIG, is_encoder_folder, is_hub_name
from egocurate.storage.json_notes import read_note

WEIGHTS = "model.safetensors"
_READ = ("*.json", "*.safetensors", "*.txt", "*.model")  # never code, never pickles
_WAY_OUT = "take the folder as save_pretrained wrote it"
# Where a processor's settings are; in the last of these they are one of its parts.
_PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_PARTS = ("video_processor", "image_processor")


def find_folder(source: str | Path) -> Path | None:
    """Return the folder of transformers that a source is, or that the hub gives for its name; None for another source.

    Raises InputError, one line, for a name that the hub does not give and this machine does not have.
    """
    if is_hub_name(source):
        try:
            folder = Path(snapshot_download(str(source), allow_patterns=list(_READ)))
        except (OSError, ValueError) as error:
            raise InputError(
                f"weights {str(source)!r}: no such file or folder, and the hub does not give it"
            ) from error
        return folder if is_encoder_folder(folder) else None
    return Path(source) if is_encoder_folder(source) else None


def model_type(folder: Path) -> str:
    """Return which model a folder's config.json says that it is of."""
    return str(_config(folder)["model_type"])


def read_pixels(folder: Path, default: Pixels) -> Pixels:
    """Return what a folder's processor does to pixels; what is not said there is as in `default`.

    Raises InputError for numbers that cannot be.
    """
    said = _processor(folder)
    keep = said.get("do_rescale", True), said.get("do_normalize", True)
    try:
        return Pixels(
            float(said.get("rescale_factor", default.scale)) if keep[0] else 1.0,
            _colors(said.get("image_mean", default.mean)) if keep[1] else (0.0, 0.0, 0.0),
            _colors(said.get("image_std", default.std), least=1e-9) if keep[1] else (1.0, 1.0, 1.0),
            _side(said) or default.size,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"{folder}: its preprocessor_config.json cannot be used ({error}); {_WAY_OUT}") from error


def _processor(folder: Path) -> dict[str, Any]:
    for name in _PROCESSORS:
        if (folder / name).is_file():
            found = read_note(folder / name, dict, _WAY_OUT)
            parts = [found[part] for part in _PARTS if isinstance(found.get(part), dict)]
            return parts[0] if parts else found
    return {}


def _colors(values: Any, least: float = float("-inf")) -> tuple[float, ...]:  # noqa: ANN401 (of a file)
    """Return three numbers, or one for all three."""
    numbers = tuple(map(float, values if isinstance(values, list | tuple) else [values] * 3))
    if len(numbers) != 3 or not all(least <= number < float("inf") for number in numbers):
        raise ValueError(f"{values} are no mean or deviation of three colors")
    return numbers


def _side(said: dict[str, Any]) -> int:
    """Return the pixels on a side of what a processor gives, 0 if it does not say; those of the crop if it crops."""
    if "max_num_patches" in said and "patch_size" in said:  # SigLIP 2 of any aspect: here frames are square
        return int(int(said["max_num_patches"]) ** 0.5) * int(said["patch_size"])
    size = said.get("crop_size") if said.get("do_center_crop", bool(said.get("crop_size"))) else said.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge") or 0
    return int(size or 0)


def _config(folder: Path) -> dict[str, Any]:
    return read_note(folder / HUB_CONFIG, dict, _WAY_OUT)


def has_safe_weights(folder: Path) -> bool:
    """Tell whether a folder has weights in safetensors, whole or in parts; others (.bin) are pickles."""
    return any(re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors", path.name) for path in folder.iterdir())
