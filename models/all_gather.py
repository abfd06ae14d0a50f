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


class Route:
    """The way of rows of the whole batch to the ranks that ask for them; rows and their gradients take it."""

    def __init__(self, order: Tensor, places: Tensor, sent: list[int], received: list[int]) -> None:
        """Send the rows at `places`, so many to each rank, and put those received back in the order asked for."""
        self._back, self._places, self._sent, self._received = order.argsort(), places, sent, received

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the rows that this rank asked for, of the [M, ...] that each rank has; every rank calls this."""
        return _Exchange.apply(rows[self._places], self._sent, self._received)[self._back]


class _Here:
    """The way of rows where one rank has all."""

    def __init__(self, index: Tensor) -> None:
        self._index = index

    def fetch(self, rows: Tensor) -> Tensor:
        return rows[self._index]


def find_routes(count: int, *indexes: Tensor) -> list[Route | _Here]:
    """Return for each index [k] the way of those rows of the whole batch to this rank; a rank has `count` of them.

    Every rank calls this, with indexes of its own. How many rows go where must be known on the host, so the device is
    waited for, once for all of the indexes. Only the rows asked for travel.
    """
    if _single_rank():
        return [_Here(index) for index in indexes]
    ranks = torch.arange(dist.get_world_size(), device=indexes[0].device)
    owners = [index // count for index in indexes]
    to_receive = torch.stack([(owner == ranks[:, None]).sum(1) for owner in owners], dim=1)  # [ranks, indexes]
    to_send = torch.empty_like(to_receive)
    dist.all_to_all_single(to_send, to_receive)
    to_receive, to_send = torch.stack([to_receive, to_send]).transpose(1, 2).tolist()
    routes = []
    for index, owner, received, sent in zip(indexes, owners, to_receive, to_send, strict=True):
        order = owner.argsort(stable=True)
        routes.append(Route(order, _exchange((index % count)[order], received, sent), sent, received))
    return routes


def mean_over_ranks(values: Tensor, count: Tensor | None = None) -> Tensor:
    """Return this rank's share, times the number of ranks, of the mean of all ranks' values [k] (k may differ).

    count: how many values count, where it is not k; 0 on all ranks gives 0.
    """
    count = torch.full((), len(values), device=values.device) if count is None else count.detach().clone()
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
