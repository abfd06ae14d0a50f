"""Where a run starts: at the weights of another run, or at published ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from egocurate.errors import InputError
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlp.weights import egovlp_frames, load_egovlp, tower_frames
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.egovlpv2.weights import egovlpv2_frames, load_egovlpv2
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.model import Encoder, VideoMAE
from egocurate.models.videomae.weights import load_videomae
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import PrismVideoTower, VideoPrism
from egocurate.models.videoprism.weights import load_videoprism
from egocurate.models.weights import LoadReport, load_state, read_weights
from egocurate.storage.json_notes import read_note
from egocurate.training.run.checkpoint_files import PlainValuesPlanner, TensorsReader, as_data, check_files
from egocurate.training.run.checkpoint_folders import SAVED_WEIGHTS, TOKENIZER, is_saved_model, newest_checkpoint

# These read a release's names and the module's own.
_PUBLISHED = {EgoVLP: load_egovlp, EgoVLPv2: load_egovlpv2, VideoMAE: load_videomae}
# A run of another number of frames fits as a release does.
_OTHER_FRAMES = {EgoVLP: egovlp_frames, EgoVLPv2: egovlpv2_frames, VideoTower: tower_frames}
_PRISM = (FactorizedEncoder, PrismVideoTower, VideoPrism)


def load_start(module: nn.Module, source: str, prefixes: Sequence[str] = ("",)) -> LoadReport:
    """Load a run's weights, or those of a file or hub name, into what of the module has their names and shapes.

    source: the folder of a training run, whatever number of ranks wrote it (its newest checkpoint), one folder of its
    checkpoints, the folder of a model given away, or what `models.weights.read_weights` takes, the release's spelling
    too. prefixes: what may begin the module's names there; the first that does counts. Raises InputError if nothing
    fits.
    """
    checkpoint = _find_checkpoint(source)
    if checkpoint is None and is_saved_model(Path(source)):
        source = str(Path(source) / SAVED_WEIGHTS)
    try:
        if checkpoint is not None:
            state = _part(_read_checkpoint(checkpoint), module, prefixes)
            fit = _of_kind(_OTHER_FRAMES, module)
            return load_state(module, fit(state, module) if fit else state, source)
        if load := _of_kind(_PUBLISHED, module):
            return load(module, source)
        if isinstance(module, _PRISM) and source.endswith(".npz"):
            return load_videoprism(module, source)
        own = _part(read_weights(source), module, prefixes)
        if isinstance(module, _PRISM) and not own.keys() & module.state_dict().keys():
            return load_videoprism(module, source)
        return load_state(module, own, source)
    except ValueError as error:
        raise InputError(str(error)) from error
    except (RuntimeError, LookupError, TypeError) as error:
        raise InputError(
            f"weights {source!r}: its tensors are not of the shapes that its names say ({error})"
        ) from error


def load_tower(tower: nn.Module, source: str) -> LoadReport:
    """Load what a run or a release has learned of a video tower alone; raises InputError unless it has all of it.

    tower: VideoMAE's `Encoder`, a `VideoTower` of EgoVLP or EgoVLPv2, VideoPrism's `FactorizedEncoder`.
    """
    named = {Encoder: ("encoder", load_videomae), VideoTower: ("video", load_egovlp)}.get(type(tower))
    if named is None or _find_checkpoint(source) is not None:
        return load_complete(tower, source, ("video.", "video.encoder.", "encoder.", "backbone.", ""))
    name, load = named
    try:
        report = load(_Around(name, tower), source)
    except ValueError as error:
        raise InputError(str(error)) from error
    return _refuse_missing(report, source)


class _Around(nn.Module):
    """A tower under the name by which a whole model has it: maps of released names are of whole models."""

    def __init__(self, name: str, tower: nn.Module) -> None:
        super().__init__()
        self.add_module(name, tower)
        self.config = SimpleNamespace(video=tower.config)


def load_complete(module: nn.Module, source: str, prefixes: Sequence[str] = ("",)) -> LoadReport:
    """`load_start`, but InputError unless it brings every parameter of the module."""
    return _refuse_missing(load_start(module, source, prefixes), source)


def _refuse_missing(report: LoadReport, source: str) -> LoadReport:
    if report.missing:
        raise InputError(
            f"{source} has {len(report.loaded)} of the {len(report.loaded) + len(report.missing)} tensors needed, not "
            f"{report.missing[0]} in the shape of this run: give model the sizes of that run, or name another"
        )
    return report


def tokenizer_of(source: str) -> str:
    """Return the tokenizer, a folder or hub name, that the model in a folder has learned from; "" if it is none."""
    own = Path(source) / TOKENIZER
    if source and is_saved_model(Path(source)) and own.is_dir():
        return str(own)
    run = _find_run(source)
    if run is None:
        return ""
    made = run / TOKENIZER
    return str(made) if made.is_dir() else _saved_tokenizer(run)


def _of_kind(functions: dict[type[nn.Module], Callable], module: nn.Module) -> Callable | None:
    """Return the function for what a module is, or is made of."""
    return next((function for kind, function in functions.items() if isinstance(module, kind)), None)


def _saved_tokenizer(run: Path) -> str:
    name = read_note(run / "recipe.json", dict, "give the OUT of a training run").get("tokenizer")
    if not isinstance(name, str):
        raise InputError(f"{run / 'recipe.json'}: its tokenizer is {name!r}, no name; take the version that trained")
    return name


def _find_run(source: str) -> Path | None:
    """Return the folder of the run that a source is, or whose checkpoint it is."""
    path = Path(source)
    places = (path, path.parent.parent) if path.name.startswith("step-") else (path,)
    return next((place for place in places if source and (place / "recipe.json").is_file()), None)


def _find_checkpoint(source: str) -> Path | None:
    """Return the folder of the checkpoint that a source means; None for a file or hub name."""
    path = Path(source)
    if not path.is_dir() or is_saved_model(path):
        return None
    if (path / ".metadata").is_file():
        return path
    newest = newest_checkpoint(path)
    if newest is None:
        raise InputError(f"{source} has no checkpoints/step-N to start from: name the folder of a training run")
    return newest


def _read_checkpoint(folder: Path) -> dict[str, Tensor]:
    """Return the model's tensors of a checkpoint by name; raises InputError for one that is not what was written."""
    check_files(folder)
    with as_data(folder):
        reader = TensorsReader(folder)
        written = reader.read_metadata().state_dict_metadata
        state = {
            name: torch.empty(entry.size, dtype=entry.properties.dtype)
            for name, entry in written.items()
            if name.startswith("model.") and isinstance(entry, TensorStorageMetadata)
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            # Every rank reads for itself.
            dcp.load(state, storage_reader=reader, planner=PlainValuesPlanner(), no_dist=True)
    return {name.removeprefix("model."): value for name, value in state.items()}


def _part(state: dict[str, Tensor], module: nn.Module, prefixes: Sequence[str]) -> dict[str, Tensor]:
    """Return what begins with the first prefix under which the module's names are, without it; all if none is."""
    ours = module.state_dict().keys()
    for prefix in prefixes:
        part = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if ours & part.keys():
            return part
    return state
