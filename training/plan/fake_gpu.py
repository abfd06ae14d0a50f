"""A GPU that is not there: tensors of shapes alone, on a device of their own, in the precision that CUDA would use.

PyTorch keeps a device type for makers of hardware, PrivateUse1. Under `FakeTensorMode` nothing on it is ever computed,
so a step of any size runs in seconds on any machine, and its devices, dtypes, operations and memory are those of a GPU.
A tensor on the wrong device is an error, as it is there.

Registering a device concerns the whole process, which should do nothing else afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.ops import aten
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "fakegpu"

# What torch.autocast does on CUDA, by operation: AT_FORALL_LOWER_PRECISION_FP, AT_FORALL_FP32,
# AT_FORALL_FP32_SET_OPT_DTYPE and AT_FORALL_PROMOTE of ATen/autocast_mode.h, without recurrent cells.
LOWER = [
    "_convolution.deprecated",
    "_convolution",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d.input",
    "conv_transpose3d.input",
    "convolution",
    "prelu",
    "addmm",
    "addmv",
    "addr",
    "matmul",
    "einsum",
    "mm",
    "mv",
    "linalg_vecdot",
    "linear",
    "addbmm",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "linalg_multi_dot",
    "_scaled_dot_product_flash_attention",
    "scaled_dot_product_attention",
]
FLOAT32 = [
    "acos",
    "asin",
    "cosh",
    "erfinv",
    "exp",
    "expm1",
    "log",
    "log10",
    "log2",
    "log1p",
    "reciprocal",
    "rsqrt",
    "sinh",
    "tan",
    "pow.Tensor_Scalar",
    "pow.Tensor_Tensor",
    "pow.Scalar",
    "softplus",
    "layer_norm",
    "native_layer_norm",
    "rms_norm",
    "group_norm",
    "frobenius_norm.dim",
    "nuclear_norm",
    "nuclear_norm.dim",
    "cosine_similarity",
    "poisson_nll_loss",
    "cosine_embedding_loss",
    "nll_loss",
    "nll_loss2d",
    "hinge_embedding_loss",
    "kl_div",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "mse_loss",
    "margin_ranking_loss",
    "multilabel_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "multi_margin_loss",
    "binary_cross_entropy_with_logits",
    "dist",
    "pdist",
    "cdist",
    "renorm",
    "logsumexp",
    "upsample_nearest1d",
    "_upsample_nearest_exact1d",
    "upsample_nearest2d",
    "_upsample_nearest_exact2d",
    "upsample_nearest3d",
    "_upsample_nearest_exact3d",
    "upsample_linear1d",
    "upsample_bilinear2d",
    "_upsample_bilinear2d_aa",
    "upsample_trilinear3d",
    "upsample_bicubic2d",
    "_upsample_bicubic2d_aa",
]
FLOAT32_RESULT = [
    "prod",
    "prod.dim_int",
    "softmax.int",
    "log_softmax.int",
    "cumprod",
    "cumsum",
    "linalg_vector_norm",
    "linalg_matrix_norm",
    "linalg_matrix_norm.str_ord",
    "sum",
    "sum.dim_IntList",
]
WIDEST = [
    "addcdiv",
    "addcmul",
    "atan2",
    "bilinear",
    "cross",
    "dot",
    "vdot",
    "grid_sampler",
    "index_put",
    "tensordot",
    "scatter_add",
]

_FALLBACK = torch.library.Library("_", "IMPL")
_AUTOCAST = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
_AUTOGRAD = torch.library.Library("aten", "IMPL", "AutogradPrivateUse1")
_AUTOCAST_KEY = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
_NARROW = (torch.bfloat16, torch.float16)


class _Backend(_DummyBackendModule):
    """What stands where `torch.cuda` would: one device, without a state of random numbers."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return list(_NARROW)

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
    """Have every new tensor be a shape, for the time of a block; modules made in it can be moved to another device."""
    to, nn.Module.to = nn.Module.to, _move
    try:
        with _FakeTensors(allow_non_fake_inputs=True):
            yield
    finally:
        nn.Module.to = to


def _move(module: nn.Module, device: torch.device) -> nn.Module:
    """Give a module's parameters and buffers anew on a device: PyTorch would swap them, which shapes cannot be."""
    moved: dict[int, Tensor] = {}  # what is shared stays so
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, old in tensors.items():
                if old is not None and id(old) not in moved:
                    new = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=device)
                    is_parameter = isinstance(old, nn.Parameter)
                    moved[id(old)] = nn.Parameter(new, old.requires_grad) if is_parameter else new
                tensors[name] = old if old is None else moved[id(old)]
    return module


@cache
def fake_gpu() -> torch.device:
    """Register the device with this process, and return it."""
    _setup_privateuseone_for_python_backend(NAME, _Backend())
    _FALLBACK.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for names, rule in ((LOWER, _lower), (FLOAT32, _float32), (FLOAT32_RESULT, _float32_result), (WIDEST, _widest)):
        for name in names:
            operation = _operation(name)
            _AUTOCAST.impl(operation, partial(_cast_and_call, operation, rule))
    _AUTOGRAD.impl("scaled_dot_product_attention", _attention)
    return torch.device(NAME, 0)


def _operation(name: str) -> Any:  # noqa: ANN401 (torch has no public type of it)
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet), overload or "default")


def _cast_and_call(operation: Any, rule: Callable, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    with torch._C._ExcludeDispatchKeyGuard(_AUTOCAST_KEY):
        args, kwargs = rule(operation, args, kwargs)
        return operation(*args, **kwargs)


def _lower(operation: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    return _cast(torch.get_autocast_dtype(NAME), args, kwargs)


def _float32(operation: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    return _cast(torch.float32, args, kwargs)


def _float32_result(operation: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    """Ask for a wide result of narrow numbers; they themselves are not copied."""
    place = [argument.name for argument in operation._schema.arguments].index("dtype")
    said = kwargs.get("dtype") or (args[place] if len(args) > place else None)
    return args, kwargs if said or args[0].dtype not in _NARROW else kwargs | {"dtype": torch.float32}


def _widest(operation: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    wide = any(x.dtype == torch.float32 for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor))
    return _cast(torch.float32, args, kwargs) if wide else (args, kwargs)


def _cast(dtype: torch.dtype, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    def cast(x: object) -> object:
        eligible = isinstance(x, Tensor) and x.device.type == NAME and x.dtype in (torch.float32, *_NARROW)
        return x.to(dtype) if eligible else x

    return tree_map(cast, (args, kwargs))


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
    if attn_mask is None and q.dtype in _NARROW:
        return aten._scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, False, scale=scale)[0]
    bias = attn_mask if attn_mask is None else attn_mask.to(q.dtype).expand(*q.shape[:3], k.shape[2])
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))
    return aten._scaled_dot_product_efficient_attention(q, k, v, bias, learns, dropout_p, is_causal, scale=scale)[0]
