"""Draw where a run looks in a clip: its frames, and below them the same, bright where the last attention reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.commands.report.reconstruction import seen_clip, write_rows
from egocurate.errors import InputError
from egocurate.models.layers.last_look import last_look
from egocurate.shards.read.index import ShardIndex
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.start_sizes import backbone_of

_DARK = 0.12  # of a place that is not read at all


def draw_attention(run: Path, index: ShardIndex, number: int, path: Path) -> None:
    """Write a PNG of where a run looks in a clip; raises InputError for a run without such attention, or a bad clip."""
    config = read_run(run, [])
    sizes = backbone_of(config.model)
    patch = getattr(sizes, "patch", None)
    if patch is None:
        raise InputError(f"{run}: a run of {config.system}; of an encoder of others no attention is drawn")
    system, step = restore(config, Ranks(0, 1, torch.device("cpu"), False))
    clip = seen_clip(index, number, config.data)
    system.model.eval()
    try:
        weights, reader = last_look(system.model, lambda: system.features(clip[None]))
        shares = looked_at(weights[0], len(clip) // getattr(sizes, "tubelet", 1), config.data.size // patch)
    except ValueError as error:
        raise InputError(f"{run}: {error}") from error
    rows = np.stack([clip.movedim(1, -1).numpy(), lit(clip, shares)])
    most = float(shares.max() * shares.numel())
    write_rows(rows, (f"frames, step {step:,}", f"read by {reader}, at most {most:.1f} x even"), path)


def looked_at(weights: Tensor, times: int, side: int) -> Tensor:
    """Return the weights [L] of a clip's tokens by place, [times, side, side], their sum 1, without that of [CLS].

    Raises ValueError for tokens that are not those of a whole clip.
    """
    places = times * side * side
    if len(weights) - places not in (0, 1):
        raise ValueError(f"its last attention reads {len(weights)} tokens at once, not the {places} of a clip")
    shares = weights[len(weights) - places :].reshape(times, side, side)
    return shares / shares.sum()


def lit(clip: Tensor, shares: Tensor) -> np.ndarray:
    """Return frames uint8 [T, 3, S, S] as uint8 [T, S, S, 3], bright where shares [T', h, w] are large."""
    size = clip.shape[-2:]
    light = F.interpolate((shares / shares.max())[:, None], size=size, mode="bilinear", align_corners=False)
    light = light.repeat_interleave(len(clip) // len(shares), 0)
    return (clip * (_DARK + (1 - _DARK) * light)).round().byte().movedim(1, -1).numpy()
