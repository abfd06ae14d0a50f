"""What makes the host wait for a device in the middle of a step, noted and answered, so that a fake step goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.ops import aten
from torch.utils._python_dispatch import TorchDispatchMode

_PLAN = Path(__file__).parent
_PACKAGE = _PLAN.parents[1]
SHARE = 0.15  # of what a boolean mask picks: the words that masked language modeling hides


class HostSync(NamedTuple):
    """A place in our code at which the host waits for the device, and for what."""

    where: str
    operation: str


class HostSyncs(TorchDispatchMode):
    """A context under `FakeTensorMode`, where values are unknown: what is asked of a tensor is 1, or False, and noted.

    Noted is what waits on CUDA: a value read of the device's memory, as many places as a mask has, and a copy from
    pageable memory. What the host reads of its own memory is 1 too, but it waits for nothing.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.found: list[HostSync] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401 (as torch has it)
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default:
            self._note(args[0], "a value")
            return False if args[0].dtype == torch.bool else 1.0 if args[0].is_floating_point() else 1
        if func is aten.nonzero.default:
            self._note(args[0], "as many places as a mask has")
            return args[0].new_empty((round(SHARE * args[0].numel()), args[0].ndim), dtype=torch.int64)
        if func is aten.bincount.default:
            self._note(args[0], "the largest of its values")
            return args[0].new_empty(kwargs.get("minlength", args[2] if len(args) > 2 else 1))
        if func is aten._pin_memory.default:
            return args[0].clone()  # shapes have no memory that could be locked
        if func is aten._to_copy.default and not kwargs.get("non_blocking"):
            to = kwargs.get("device")
            if to is not None and to.type != args[0].device.type and self.device.type in (to.type, args[0].device.type):
                self.found.append(HostSync(_caller(), f"a copy from {args[0].device.type} to {to.type}"))
        return func(*args, **kwargs)

    def _note(self, tensor: Tensor, what: str) -> None:
        if tensor.device.type == self.device.type:
            self.found.append(HostSync(_caller(), what))


def _caller() -> str:
    """Return file and function of the innermost line of this package on the stack, but for those that plan."""
    frame = sys._getframe(1)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if _PACKAGE in file.parents and _PLAN not in file.parents:
            return f"{file.relative_to(_PACKAGE)}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"
