"""How large a model is, and how much work its matrix products are: what the tables and MFU both count with.

The work of each product comes from torch's own table (`torch.utils.flop_counter`). Its counter `FlopCounterMode` is not
used, for it counts what runs: to have the work of the backward pass one would have to run it, and with activation
checkpointing it would count layers twice, which model FLOPs (PaLM, 2204.02311) leave out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.ops import aten
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

# torch's table lacks the attention that a CPU has.
_FORMULAS = flop_registry | {
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[aten._scaled_dot_product_flash_attention]
}


def count_parameters(module: nn.Module) -> int:
    """Count the numbers in a module's parameters, each parameter once however often it is used."""
    return sum(parameter.numel() for parameter in module.parameters())


class FlopCounter(TorchDispatchMode):
    """A context that adds up the FLOPs of the matrix products and convolutions in it, two for a multiply-add.

    Every product counts once, and once more for each operand that wants a gradient: that is the work of its backward
    pass, which need not run. So what is frozen costs no backward pass, and under `torch.no_grad` none is counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401 (as torch has it)
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = _FORMULAS.get(func._overloadpacket)
        if formula is not None:
            work = formula(*args, **kwargs, out_val=out) * _share_seen(func, args, kwargs)
            self.flops += work * (1 + _gradients(args))
        return out


def _share_seen(func: Any, args: tuple, kwargs: dict) -> float:  # noqa: ANN401 (as torch has it)
    """Return the share of an attention's pairs that count: without those that one mask hides in every row and head.

    Such a mask puts sequences into one call that do not see each other. Padding, which is of each row, is work, and a
    mask without values (a fake tensor) hides nothing.
    """
    named = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    mask = next((named[name] for name in ("attn_mask", "attn_bias") if named.get(name) is not None), None)
    if mask is None or isinstance(mask, FakeTensor) or (mask.ndim == 4 and any(mask.stride()[:2])):
        return 1.0
    one = mask[0, 0] if mask.ndim == 4 else mask
    return (one if one.dtype == torch.bool else ~one.isneginf()).double().mean().item()


def _gradients(operands: tuple) -> int:
    """Count the products that the backward pass of a product has: one for each matrix that wants a gradient."""
    if not torch.is_grad_enabled():
        return 0
    # A bias has one axis: its gradient is a sum, not a product.
    return min(2, sum(isinstance(x, Tensor) and x.ndim > 1 and x.requires_grad for x in operands))
