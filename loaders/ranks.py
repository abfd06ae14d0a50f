"""Which of how many processes this is."""

import os

import torch.distributed as dist

from egocurate.errors import InputError


def rank_and_world(rank: int | None = None, world: int | None = None) -> tuple[int, int]:
    """Return (rank, world) as given, else as torch.distributed has them, else as torchrun set them, else (0, 1).

    Raises InputError where one of the two is known and not the other: with a guess, ranks would read the same data.
    """
    if rank is not None or world is not None:
        return _both(rank, world, "give rank and world together")
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    rank, world = _number("RANK"), _number("WORLD_SIZE")
    if world in (None, 1) and rank in (None, 0):
        return 0, 1
    return _both(rank, world, "start with torchrun, initialize torch.distributed first, or pass rank= and world=")


def _both(rank: int | None, world: int | None, way_out: str) -> tuple[int, int]:
    if rank is None or world is None:
        raise InputError(f"rank is {rank} and world is {world}: {way_out}")
    return rank, world


def _number(variable: str) -> int | None:
    value = os.environ.get(variable)
    if value is None:
        return None
    if not value.isdecimal():
        raise InputError(f"environment variable {variable} is {value!r}, not a number: unset it or start with torchrun")
    return int(value)
