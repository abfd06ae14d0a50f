"""A finished or a stopped run as something to use: its config, and its system with the weights it has learned."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoints import newest_checkpoint
from egocurate.training.run.run_folder import RECIPE
from egocurate.training.run.run_inputs import check_tokenizer
from egocurate.training.systems import System, build_system
from egocurate.training.systems.initial_weights import load_complete

STARTS = ("video_weights", "start")  # what a run began from, which its checkpoint has replaced


def read_run(run: Path, settings: list[str]) -> TrainConfig:
    """Return the config of the run in a folder, changed by `key=value` settings; raises InputError if there is none."""
    try:
        saved = json.loads((run / RECIPE).read_text())
        template = next(recipe() for recipe in RECIPES.values() if recipe().system == saved["system"])
        config = _read(template, saved)
    except OSError as error:
        raise InputError(f"{run}: holds no run ({RECIPE}: {error.strerror}); give the OUT of a training run") from error
    except (ValueError, TypeError, KeyError, StopIteration) as error:
        what = str(error).strip("'\"") or "an unknown system"
        raise InputError(
            f"{run / RECIPE}: written by another version ({what}); take the version that trained"
        ) from error
    config = replace(config, **{name: "" for name in STARTS if hasattr(config, name)}, out=str(run))
    if (run / "tokenizer").is_dir():
        config = replace(config, tokenizer=str(run / "tokenizer"))
    for setting in settings:
        config = with_setting(config, setting)
    return config


def restore(config: TrainConfig, ranks: Ranks) -> tuple[System, int]:
    """Return the system of a run's config, to evaluate, with the weights of its newest checkpoint, and their step.

    Each rank reads all by itself, whatever number of ranks wrote it. Raises InputError if there is no checkpoint, its
    weights do not fit, or the tokenizer is another than it was trained with.
    """
    run = Path(config.out)
    checkpoint = newest_checkpoint(run)
    if checkpoint is None:
        raise InputError(
            f"{run}: has no checkpoint yet; it gets one each checkpoint_every={config.checkpoint_every} steps"
        )
    check_tokenizer(config)
    system = build_system(config, None, ranks)  # the tokenizer is the run's: nothing of the data is asked for
    load_complete(system.model, str(checkpoint))
    system.model.eval()
    return system, json.loads((checkpoint / "run.json").read_text())["step"]


def _read(template: Any, saved: dict[str, Any]) -> Any:  # noqa: ANN401 (any dataclass)
    """Return saved settings as a dataclass of the template's kind; what was not saved has its default."""
    known = {field.name: field for field in fields(template)}
    if unknown := sorted(saved.keys() - known.keys()):
        raise ValueError(f"setting {unknown[0]} is not known")
    values = {}
    for name, field in known.items():
        if name not in saved:
            if field.default is MISSING and field.default_factory is MISSING:
                raise ValueError(f"setting {name} is missing")
            continue
        present = getattr(template, name)
        value = saved[name]
        if is_dataclass(present):
            value = _read(present, value)
        values[name] = tuple(value) if isinstance(value, list) else value
    return type(template)(**values)
