"""Weights that others have published, as a model to use: recognized by their names, with the settings of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from egocurate.errors import InputError
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.egovlpv2.weights import linear_projection, without_heads
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.folder import WEIGHTS
from egocurate.models.frozen.hub_encoder import frozen_config
from egocurate.models.frozen.released import RELEASED
from egocurate.models.released_names import Architecture, recognize, width_of
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import DistillationConfig, EncoderConfig, VideoPrismConfig
from egocurate.models.videoprism.weights import read_array_shapes
from egocurate.models.weights import check_whole, read_weights
from egocurate.text_choices import TextForm
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_frozen import read_frozen
from egocurate.training.systems import System, build_undrawn
from egocurate.training.systems.frozen import FrozenSystem
from egocurate.training.systems.initial_weights import load_start
from egocurate.training.systems.videoprism import DistillationSystem

AnyConfig = EgoVLPConfig | EgoVLPv2Config | VideoMAEConfig | VideoPrismConfig | DistillationConfig


class Published(NamedTuple):
    """What an architecture's releases are used with: a recipe, their tokenizer, the sizes, and the form of texts."""

    recipe: str
    tokenizer: str
    sizes: tuple[AnyConfig, ...]
    text: TextForm = "normalized"


PUBLISHED: dict[Architecture, Published] = {
    "egovlp": Published("egovlp", "distilbert-base-uncased", (EgoVLPConfig.base(),), "raw"),
    "egovlpv2": Published("egovlpv2", "roberta-base", (EgoVLPv2Config.base(),), "raw"),
    "videomae": Published(
        "videomae",
        "",
        (VideoMAEConfig.small(), VideoMAEConfig.base(), VideoMAEConfig.large(), VideoMAEConfig.huge()),
    ),
    "videoprism": Published(
        "videoprism-stage1",
        "google/videoprism-lvt-base-f16r288",
        (VideoPrismConfig.base(), VideoPrismConfig.large()),
    ),
    "videoprism-encoder": Published(
        "videoprism-stage2",
        "",
        tuple(
            DistillationConfig(size) for size in (EncoderConfig.base(), EncoderConfig.large(), EncoderConfig.giant())
        ),
    ),
}


@dataclass(frozen=True)
class Release:
    """Weights, a file, a folder or a hub name, and the recipe whose settings they are used with, "" for their own."""

    weights: str
    recipe: str = ""

    def read(self, settings: Sequence[str]) -> TrainConfig:
        """Return the recipe's config, in the size of the weights, changed by `key=value` settings.

        Raises InputError, one line, for weights of another architecture or size, or a recipe of another system.
        """
        if encoder := self._encoder():
            return read_frozen(encoder, settings)
        architecture, shapes = self._recognize()
        width = width_of(shapes)
        if architecture in RELEASED:
            return self._read_released(architecture, settings)
        published = PUBLISHED[architecture]
        name = self.recipe or published.recipe
        if name not in RECIPES:
            raise InputError(f"recipe {name}: there are {', '.join(RECIPES)}")
        config = RECIPES[name]()
        if config.system != RECIPES[published.recipe]().system:
            raise InputError(
                f"recipe {name} trains {config.system}, but {self.weights} has weights of {architecture}: leave it "
                f"out, or take {published.recipe}"
            )
        sizes = (config.model, *published.sizes)
        model = next((size for size in sizes if _tower(size).width == width), None)
        if model is None:
            known = ", ".join(str(size) for size in dict.fromkeys(_tower(size).width for size in published.sizes))
            raise InputError(f"weights {self.weights!r}: {architecture} of width {width}; there are sizes of {known}")
        if getattr(getattr(model, "text", None), "pretrained", ""):
            model = replace(model, text=replace(model.text, pretrained=""))  # the text tower's weights are in the file
        if isinstance(model, EgoVLPv2Config) and (space := linear_projection(shapes)):
            model = replace(model, projector="linear", projection=space)
        frames = getattr(_tower(model), "frames", config.data.frames)
        config = replace(
            config,
            model=model,
            data=replace(config.data, frames=frames, text=published.text),
            video_weights="",
            tokenizer=config.tokenizer or published.tokenizer,
        )
        for setting in settings:
            config = with_setting(config, setting)
        if published.tokenizer and not config.tokenizer:
            raise InputError(f"weights {self.weights!r} have learned texts: name their tokenizer, tokenizer=FOLDER")
        return config

    def restore(self, config: TrainConfig, ranks: Ranks) -> System:
        """Return the system of the config, to evaluate, with these weights, each of which it needs.

        Raises InputError, one line, if some are missing or of another shape, or the file has layers beyond the model's.
        """
        if isinstance(config.model, FrozenConfig):
            return FrozenSystem(config, ranks)
        system = build_undrawn(config, ranks)
        # Of an encoder alone there are features: what distilled it is not released.
        module = system.model.encoder if isinstance(system, DistillationSystem) else system.model
        report = load_start(module, self._file)
        needed = without_heads(report.missing)
        if isinstance(module, EgoVLPv2) and module.config.projector == "linear" and needed != report.missing:
            # Files for EK-100 and Charades-Ego may have no heads: their texts and clips are compared, not fused.
            report, system.can_fuse = replace(report, missing=needed), False
        check_whole(report, self.weights, config.system)
        system.model.eval()
        return system

    @property
    def _file(self) -> str:
        """The file in a folder, the file or the hub name."""
        return str(Path(self.weights) / WEIGHTS) if Path(self.weights).is_dir() else self.weights

    def _encoder(self) -> FrozenConfig | None:
        """Return the encoder of transformers that a folder or a hub name holds, None if a system here reads it."""
        found = None if self.recipe else frozen_config(self.weights)
        return None if found and _is_known(Path(found.source) / WEIGHTS) else found

    def _read_released(self, architecture: Architecture, settings: Sequence[str]) -> TrainConfig:
        if self.recipe:
            raise InputError(
                f"recipe {self.recipe}: {self.weights} has weights of {architecture}, used as they are: leave it out"
            )
        return read_frozen(FrozenConfig(self._file, architecture), settings)

    def _recognize(self) -> tuple[Architecture, dict[str, tuple[int, ...]]]:
        try:
            path = Path(self._file)
            if path.suffix == ".npz":
                shapes = read_array_shapes(path)
            else:
                shapes = {name: tuple(tensor.shape) for name, tensor in read_weights(self._file).items()}
        except ValueError as error:
            raise InputError(str(error)) from error
        try:
            return recognize(shapes), shapes
        except ValueError as error:
            raise InputError(
                f"weights {self.weights!r}: {error}; there are releases of EgoVLP, EgoVLPv2, VideoMAE, VideoPrism, "
                "LaViLa, AVION and CLIP"
            ) from error


def _is_known(path: Path) -> bool:
    """Tell whether a file of weights has names and width of a release that is read here, not by transformers."""
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no mapping)
        architecture = recognize(shapes)
    except (OSError, ValueError, SafetensorError):
        return False
    return architecture in RELEASED or width_of(shapes) in {
        _tower(size).width for size in PUBLISHED[architecture].sizes
    }


def _tower(model: AnyConfig) -> VideoMAEConfig | EncoderConfig:
    """Return the sizes of what sees the clips."""
    return getattr(model, "video", None) or getattr(model, "encoder", None) or model
