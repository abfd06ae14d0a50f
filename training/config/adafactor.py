"""Adafactor (1804.04235) that leaves its norms on the device, where PyTorch's asks for two of each parameter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Adafactor(torch.optim.Adafactor):
    """PyTorch's Adafactor, with its settings, its state and its steps, without waiting for the device."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step; a closure, if there is one, works the loss out again, which is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params: list[Tensor] = []
            grads: list[Tensor] = []
            rows, columns, squares, steps = [], [], [], []
            self._init_group(group, params, grads, rows, columns, squares, steps)
            for each in zip(params, grads, rows, columns, squares, steps, strict=True):
                _step(*each, group)
        return loss


def _step(
    param: Tensor,
    grad: Tensor,
    row: Tensor | None,
    column: Tensor | None,
    square: Tensor | None,
    step: Tensor,
    group: dict,
) -> None:
    """Move one parameter; the second moment is kept by rows and columns of its last two axes, or whole for a vector."""
    step += 1  # on the host, as PyTorch keeps it
    count, rate = step.item(), float(group["lr"])
    eps1, eps2 = group["eps"]
    eps1 = torch.finfo(param.dtype).eps if eps1 is None else eps1
    fresh = count ** group["beta2_decay"]  # share of this gradient in the moments

    size = _rms(param).clamp(min=eps2) * min(rate, count**-0.5)  # a step is relative to the parameter's own size
    if group["weight_decay"]:
        param.mul_(1 - rate * group["weight_decay"])
    if square is None:
        row.lerp_(_mean_square(grad, -1), fresh)
        column.lerp_(_mean_square(grad, -2), fresh)
        moment = (row @ column).div_(row.mean(dim=-2, keepdim=True).clamp_(min=eps1))
    else:
        square.lerp_(grad * grad, fresh)
        moment = square.clone()
    update = moment.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
    param.sub_(update.mul_(size / (_rms(update) / group["d"]).clamp(min=1)))


def _rms(x: Tensor) -> Tensor:
    return x.norm() / x.numel() ** 0.5


def _mean_square(x: Tensor, axis: int) -> Tensor:
    return torch.linalg.vector_norm(x, dim=axis, keepdim=True).square_().div_(x.shape[axis])
