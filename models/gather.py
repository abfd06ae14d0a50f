"""Rows of all ranks on every rank, differentiable: the loss of the whole batch with its true gradient."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def gather(rows: Tensor) -> Tensor:
    """Concatenate rows [M, ...] of every rank by rank, [W*M, ...]; the gradient of a row sums over the ranks' losses.

    If every rank computes the same whole-batch loss from gathered embeddings, a rank's parameter gradient is W times
    its rows' share, so the mean over ranks that DistributedDataParallel takes is the gradient of one process with the
    whole batch, neither 1/W nor W times it. Every rank must bring the same number of rows. Without a process group:
    rows itself.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return rows
    if rows.dtype == torch.bool:  # not every backend sends bool
        return _AllGather.apply(rows.to(torch.uint8)).bool()
    return _AllGather.apply(rows)


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad.chunk(dist.get_world_size())[dist.get_rank()]
