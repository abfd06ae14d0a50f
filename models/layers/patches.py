"""Cut videos into cubes of pixels, choose which of them a model sees, and say where they stand.

Pure functions; the shapes of what they return depend on shapes alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cubes(frames: Tensor, depth: int, side: int) -> Tensor:
    """Cut frames [B, T, 3, S, S] into cubes, by time, row, column: [B, T/depth * (S/side)^2, depth*side*side, 3].

    Raises ValueError if a size is no multiple of the cube's.
    """
    batch, count, channels, height, width = frames.shape
    if count % depth or height % side or width % side:
        raise ValueError(f"{count} frames of {height}x{width} do not divide into cubes of {depth}x{side}x{side}")
    x = frames.reshape(batch, count // depth, depth, channels, height // side, side, width // side, side)
    return x.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(batch, -1, depth * side * side, channels)


def from_cubes(parts: Tensor, depth: int, side: int, size: int) -> Tensor:
    """Return the frames [B, T, 3, size, size] that `cubes` has cut into parts [B, N, depth*side*side, 3]."""
    rows = size // side
    x = parts.unflatten(1, (-1, rows, rows)).unflatten(4, (depth, side, side))  # [B, t, r, c, depth, side, side, 3]
    return (
        x.permute(0, 1, 4, 7, 2, 5, 3, 6)
        .flatten(5, 6)
        .flatten(4, 5)
        .flatten(1, 2)
        .reshape(len(parts), -1, 3, size, size)
    )


def tube_mask(noise: Tensor, hidden: int) -> tuple[Tensor, Tensor]:
    """Hide the places of a frame whose noise is lowest, in all frames of a clip; return visible and hidden, ascending.

    noise [B, places]: uniform random numbers, whose ties go to the lower place. int64 [B, places - hidden] and
    [B, hidden]: the same counts for every clip, so that what is gathered with them has one shape (VideoMAE,
    2203.12602, section 3.3: tube masking).
    """
    check_hidden(hidden, noise.shape[1])
    order = noise.argsort(dim=1, stable=True)
    return order[:, hidden:].sort(dim=1).values, order[:, :hidden].sort(dim=1).values


def check_hidden(hidden: int, places: int) -> None:
    """Raise ValueError unless something is hidden and something left to see."""
    if not 0 < hidden < places:
        raise ValueError(f"{hidden} of {places} places hidden: something must be hidden and something left to see")


def tube_tokens(places: Tensor, slots: int, per_slot: int) -> Tensor:
    """Repeat places [B, K] of a frame in every time slot: indices [B, slots * K] of tokens that stand in time order.

    per_slot: how many tokens each of the slots has.
    """
    starts = torch.arange(slots, device=places.device) * per_slot
    return (starts[:, None] + places[:, None]).flatten(1)


def pick_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Return the tokens at index [B, K] of each clip's tokens x [B, N, ...]: [B, K, ...]."""
    shape = index.shape + x.shape[2:]
    return x.gather(1, index.reshape(*index.shape, *[1] * (x.ndim - 2)).expand(shape))


def sine_cosine(count: int, width: int) -> Tensor:
    """Return fixed positions [1, count, width]: sin and cos of position / 10000^(2j/width) in turn (1706.03762, 3.5).

    Computed in float64, returned in float32, as VideoMAE's table is.
    """
    position = torch.arange(count, dtype=torch.float64)[:, None]
    angle = position / 10000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[None, :, :width].float()
