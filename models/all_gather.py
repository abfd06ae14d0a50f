"""Rows of all ranks, differentiable: the loss of the whole batch with its true gradient.

Every rank has an equally large part of the whole batch, in order of the ranks. A rank works out either the loss of the
whole batch, or its own rows' share of it times the number of ranks. So the mean over ranks is the loss of the whole
batch, and the mean of gradients that DistributedDataParallel takes is that of one process with the whole batch. Without
a process group this process has the whole batch.
"""

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
    if _single_rank():
        return rows
    if rows.dtype == torch.bool:  # not every backend sends bool
        return _AllGather.apply(rows.to(torch.uint8)).bool()
    return _AllGather.apply(rows)


def local_rows(count: int) -> slice:
    """Return where this rank's `count` rows stand among those that `gather` gives."""
    rank = 0 if _single_rank() else dist.get_rank()
    return slice(rank * count, (rank + 1) * count)


def fetch_rows(rows: Tensor, index: Tensor) -> Tensor:
    """Fetch rows [k, ...] of the whole batch by their place `index` [k] in it, from the ranks that have them.

    rows: this rank's [M, ...]. Every rank calls this, with an index of its own. Only the rows asked for travel; their
    gradients travel back.
    """
    if _single_rank():
        return rows[index]
    owner = index // len(rows)
    order = owner.argsort(stable=True)
    to_receive = torch.bincount(owner, minlength=dist.get_world_size())  # [ranks], rows from each
    to_send = torch.empty_like(to_receive)
    dist.all_to_all_single(to_send, to_receive)
    to_receive, to_send = to_receive.tolist(), to_send.tolist()
    places_to_send = _exchange((index % len(rows))[order], to_receive, to_send)
    received = _Exchange.apply(rows[places_to_send], to_send, to_receive)
    return received[order.argsort()]


def mean_over_ranks(values: Tensor, count: Tensor | None = None) -> Tensor:
    """Return this rank's share, times the number of ranks, of the mean of all ranks' values [k] (k may differ).

    count: how many values count, where it is not k; 0 on all ranks gives 0.
    """
    count = torch.tensor(len(values), device=values.device) if count is None else count.detach().clone()
    ranks = 1
    if not _single_rank():
        dist.all_reduce(count)
        ranks = dist.get_world_size()
    return values.sum() * ranks / count.clamp(min=1)


def _single_rank() -> bool:
    return not dist.is_initialized() or dist.get_world_size() == 1


def _exchange(rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
    out = rows.new_empty((sum(received), *rows.shape[1:]))
    dist.all_to_all_single(out, rows.contiguous(), received, sent)
    return out


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


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        ctx.back = received, sent
        return _exchange(rows, sent, received)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        return _exchange(grad, *ctx.back), None, None
