"""What torch.autocast does on CUDA, done for the device type PrivateUse1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.ops import aten
from torch.utils._pytree import tree_leaves, tree_map

# By operation, as the macros of ATen/autocast_mode.h list them (named below), but for recurrent cells.
LOWER = """
    _convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input
    conv_transpose3d.input convolution prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm
    bmm chain_matmul linalg_multi_dot _scaled_dot_product_flash_attention scaled_dot_product_attention
"""  # AT_FORALL_LOWER_PRECISION_FP
FLOAT32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar pow.Tensor_Tensor
    pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm.dim nuclear_norm
    nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss
    kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
    triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp
    upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d upsample_nearest3d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d
    upsample_bicubic2d _upsample_bicubic2d_aa
"""  # AT_FORALL_FP32
FLOAT32_RESULT = """
    prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm
    linalg_matrix_norm.str_ord sum sum.dim_IntList
"""  # AT_FORALL_FP32_SET_OPT_DTYPE
WIDEST = """
    addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add
"""  # AT_FORALL_PROMOTE

_FALLBACK = torch.library.Library("_", "IMPL")
_OPERATIONS = torch.library.Library("aten", "IMPL")
_DISPATCH_KEY = "AutocastPrivateUse1"
_KEY_SET = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
NARROW = (torch.bfloat16, torch.float16)


def cast_as_on_cuda(device_type: str) -> None:
    """Give a device its casts under autocast, once in a process."""
    _FALLBACK.fallback(torch.library.fallthrough_kernel, _DISPATCH_KEY)
    for names, rule in ((LOWER, _lower), (FLOAT32, _float32), (FLOAT32_RESULT, _float32_result), (WIDEST, _widest)):
        for operation in operations(names):
            _OPERATIONS.impl(operation, partial(_cast_and_call, operation, rule, device_type), _DISPATCH_KEY)


def operations(names: str) -> Iterator[Any]:
    """Give the operations of a list."""
    for name in names.split():
        packet, _, overload = name.partition(".")
        yield getattr(getattr(aten, packet), overload or "default")


def _cast_and_call(operation: Any, rule: Callable, device_type: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (torch has no public type of it)
    with torch._C._ExcludeDispatchKeyGuard(_KEY_SET):
        args, kwargs = rule(operation, device_type, args, kwargs)
        return operation(*args, **kwargs)


def _lower(operation: Any, device_type: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    return _cast(torch.get_autocast_dtype(device_type), device_type, args, kwargs)


def _float32(operation: Any, device_type: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    return _cast(torch.float32, device_type, args, kwargs)


def _float32_result(operation: Any, device_type: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    """Ask for a wide result of narrow numbers; they themselves are not copied."""
    place = [argument.name for argument in operation._schema.arguments].index("dtype")
    said = kwargs.get("dtype") or (args[place] if len(args) > place else None)
    return args, kwargs if said or args[0].dtype not in NARROW else kwargs | {"dtype": torch.float32}


def _widest(operation: Any, device_type: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:  # noqa: ANN401
    wide = any(x.dtype == torch.float32 for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor))
    return _cast(torch.float32, device_type, args, kwargs) if wide else (args, kwargs)


def _cast(dtype: torch.dtype, device_type: str, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    def cast(x: object) -> object:
        eligible = isinstance(x, Tensor) and x.device.type == device_type and x.dtype in (torch.float32, *NARROW)
        return x.to(dtype) if eligible else x

    return tree_map(cast, (args, kwargs))
