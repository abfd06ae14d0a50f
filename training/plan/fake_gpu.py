"""A GPU that is not there: tensors of shapes alone, on a device of their own, in the precision that CUDA would use.

PyTorch keeps a device type for makers of hardware, PrivateUse1. Under `FakeTensorMode` nothing on it is ever computed,
so a step of any size runs in seconds on any machine, and its devices, dtypes, operations and memory are those of a GPU.
A tensor on the wrong device is an error, as it is there.

Registering a device concerns the whole process, which should do nothing else afterwards, and before its first backward
pass: then PyTorch counts the devices that there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.ops import aten
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from egocurate.training.plan.cuda_autocast import NARROW, cast_as_on_cuda

NAME = "fakegpu"

_AUTOGRAD = torch.library.Library("aten", "IMPL", "AutogradPrivateUse1")


class _Backend(_DummyBackendModule):
    """What stands where `torch.cuda` would: one device, without a state of random numbers."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return list(NARROW)

    def device(self, index: object) -> AbstractContextManager:
        return nullcontext()

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.empty(0, dtype=torch.uint8, device="cpu")

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        pass


class _FakeTensors(FakeTensorMode):
    # Or numbers would be copied to the device before they are shapes.
    avoid_device_init = True


@contextmanager
def fake_tensors() -> Iterator[None]:
    """Have every new tensor be a shape, for the time of a block; modules made in it can be moved and copied."""
    to, nn.Module.to = nn.Module.to, _move
    FakeTensor.__deepcopy__ = _copy
    try:
        with _FakeTensors(allow_non_fake_inputs=True):
            yield
    finally:
        nn.Module.to = to
        del FakeTensor.__deepcopy__  # as its base class has it


def _copy(tensor: FakeTensor, memo: dict[int, object]) -> Tensor:
    """Copy a shape: PyTorch would read the memory that it has not."""
    new = tensor.detach().clone()
    new = nn.Parameter(new, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else new
    memo[id(tensor)] = new
    return new


def _move(module: nn.Module, device: torch.device) -> nn.Module:
    """Give a module's parameters and buffers anew on a device: PyTorch would swap them, which shapes cannot be."""
    moved: dict[Tensor, Tensor] = {}  # what is shared stays so
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, old in tensors.items():
                if old is not None and old not in moved:
                    new = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=device)
                    is_parameter = isinstance(old, nn.Parameter)
                    moved[old] = nn.Parameter(new, old.requires_grad) if is_parameter else new
                tensors[name] = old if old is None else moved[old]
    return module


@cache
def fake_gpu() -> torch.device:
    """Register the device with this process, and return it."""
    _setup_privateuseone_for_python_backend(NAME, _Backend())
    cast_as_on_cuda(NAME)
    _AUTOGRAD.impl("scaled_dot_product_attention", _attention)
    return torch.device(NAME, 0)


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Take the kernel that a GPU takes: flash attention for 16 bits without a mask, else the memory-efficient one."""
    if attn_mask is None and q.dtype in NARROW:
        return aten._scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, False, scale=scale)[0]
    bias = attn_mask if attn_mask is None else attn_mask.to(q.dtype).expand(*q.shape[:3], k.shape[2])
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))
    return aten._scaled_dot_product_efficient_attention(q, k, v, bias, learns, dropout_p, is_causal, scale=scale)[0]
