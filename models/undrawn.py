"""Modules whose first weights are zeros instead of random numbers: for those that are to be loaded next.

Drawing them takes longer than loading: most are drawn twice, by PyTorch's layers and by ours. Everything else of a
module is built as ever, buffers that no file holds with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# What PyTorch's ways to draw come down to, and those that never get there inside such a mode. By name, as methods and
# functions of torch.nn.init share it, and transformers puts functions of its own in place of those.
_DRAWS = ("normal_", "uniform_", "kaiming_uniform_")


class Undrawn(TorchFunctionMode):
    """A context in which this thread fills tensors with zeros where it would draw them; its generator stays put.

    Zeros, not what the memory held before: a tensor that a release may lack is the same in every process.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (whatever the function returns)
        """Call a function of torch, unless it draws into a tensor."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in _DRAWS:
            return func(*args, **kwargs)
        with torch.no_grad():
            return (args[0] if args else kwargs["tensor"]).zero_()
