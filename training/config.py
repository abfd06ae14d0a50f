"""What a training run depends on, the recipes that fill it in, and `key=value` changes to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from loaders import InputError
from models.egovlp import EgoVLPConfig
from models.losses import Positives, Undecided
from models.optimiser import OptimiserConfig


@dataclass(frozen=True)
class TrainConfig:
    """All that a run depends on; a recipe is a function that returns one."""

    shards: str = ""
    mcq_json: str = ""
    mcq_shards: str = ""
    out: str = ""

    # model
    model: EgoVLPConfig = field(default_factory=EgoVLPConfig.base)
    video_weights: str = ""  # image ViT to start from: file or hub name
    tokenizer: str = ""  # hub name or folder; without one it is made from the narrations
    max_tokens: int = 32

    # data; pictures are as large as the model wants them
    batch_size: int = 512  # anchors of all ranks together; negatives come on top
    frames: int = 4
    negatives: bool = True
    scale: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    decoder: str = "auto"
    workers: int = 4  # processes that decode, of each rank
    cache_dir: str = ""  # where shards of a store are kept on this machine; without it they are read by ranges
    cache_bytes: int = 64 * 10**9
    headspace: bool = False  # the first batches over and over: what the trainer could do were data free
    seed: int = 0

    # objective
    loss: Literal["egonce", "info_nce"] = "egonce"
    positives: Positives = "and"
    undecided: Undecided = "mask"
    temperature: float = 0.05

    # optimiser
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    epochs: int = 10
    max_steps: int = 0  # 0: as many as the epochs have

    # run
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 on a GPU
    compile: bool = False
    eval_every: int = 1000  # steps
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    log_every: int = 20


MAY_CHANGE = (
    *("shards", "mcq_json", "mcq_shards", "out", "decoder", "workers", "cache_dir", "cache_bytes", "headspace"),
    *("device", "compile"),
    *("eval_every", "checkpoint_every", "keep_checkpoints", "log_every"),
)
"""Keys that a resumed run may have otherwise: they leave what is learned alone (the stream checks the data itself)."""


def egovlp() -> TrainConfig:
    """EgoVLP's pre-training (2206.01670, section 6.1): 512 pairs, 4 frames, 10 epochs at a constant 3e-5.

    The released code reads a second rate, 2e-4, at the end of the first epoch and trains the other nine with it; the
    paper says 3e-5, and so does this recipe.
    """
    model = EgoVLPConfig.base()
    return TrainConfig(
        model=replace(model, text=replace(model.text, pretrained="distilbert-base-uncased")),
        video_weights="timm/vit_base_patch16_224.orig_in21k_ft_in1k",
        tokenizer="distilbert-base-uncased",
        compile=True,
    )


def egovlp_small() -> TrainConfig:
    """A small EgoVLP from nothing, for the demo: minutes on two CPU cores."""
    return TrainConfig(
        model=EgoVLPConfig.small(),
        batch_size=32,
        scale=(0.7, 1.0),
        workers=1,
        optimiser=OptimiserConfig(
            lr=1e-3, warmup_steps=50, schedule="cosine", weight_decay=0.05, beta2=0.98, clip_grad=1.0
        ),
        epochs=6,
        eval_every=100,
        checkpoint_every=100,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {"egovlp": egovlp, "egovlp-small": egovlp_small}


def with_setting(config: TrainConfig, setting: str) -> TrainConfig:
    """Return the config with one `key=value` applied, read by the field's type; raises InputError naming the keys."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise InputError(f"--set {setting}: write key=value")
    return _with(config, key.split("."), text, key)


def _with(config: Any, path: list[str], text: str, key: str) -> Any:  # noqa: ANN401 (any dataclass)
    kinds, name = get_type_hints(type(config)), path[0]
    if name not in kinds:
        raise InputError(f"--set {key}: there is no {name!r}; there are {', '.join(kinds)}")
    if is_dataclass(kinds[name]):
        if len(path) == 1:
            raise InputError(f"--set {key}: name one of its keys: {', '.join(get_type_hints(kinds[name]))}")
        value = _with(getattr(config, name), path[1:], text, key)
    elif len(path) > 1:
        raise InputError(f"--set {key}: {name} has no keys of its own")
    else:
        try:
            value = _read(kinds[name], text)
        except ValueError as error:
            raise InputError(f"--set {key}={text}: expected {error}") from error
    return replace(config, **{name: value})


def _read(kind: Any, text: str) -> Any:  # noqa: ANN401 (any type of a field)
    """Read a value of a type; raises ValueError that says what would do."""
    inner = get_args(kind)
    if get_origin(kind) is Literal:
        if text not in inner:
            raise ValueError(f"one of {', '.join(inner)}")
        return text
    if get_origin(kind) is tuple:
        parts = text.split(",")
        if len(parts) != len(inner):
            raise ValueError(f"{len(inner)} values with commas between")
        return tuple(_read(one, part) for one, part in zip(inner, parts, strict=True))
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError("a whole number" if kind is int else "a number") from error
