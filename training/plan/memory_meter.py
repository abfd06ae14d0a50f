"""How much memory the tensors of a device take, and the most that they took."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.ops import aten
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BLOCK = 512  # bytes that CUDA's allocator hands out at least


class MemoryMeter(TorchDispatchMode):
    """A context that counts the bytes of tensors that are alive on a device, and the most there have been.

    Tensors of shapes alone count as if they were there. Of what operations take for themselves, only FlashAttention's
    sums count; others take little.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.held = self.peak = 0
        self._storages: set[int] = set()

    def reset_peak(self) -> None:
        """Look for the most from here on."""
        self.peak = self.held

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401 (as torch has it)
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.device.type == self.device.type:
                self._hold(leaf.untyped_storage())
        if func is aten._scaled_dot_product_flash_attention_backward.default:
            self.peak = max(self.peak, self.held + _flash_backward_bytes(*args[1:3]))
        return out

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._storages:
            return
        size = -(-storage.nbytes() // _BLOCK) * _BLOCK
        self._storages.add(key)
        self.held += size
        self.peak = max(self.peak, self.held)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._storages.discard(key)
        self.held -= size


def _flash_backward_bytes(q: Tensor, k: Tensor) -> int:
    """Return what FlashAttention's backward pass (2307.08691) keeps beside its arguments: float32 sums for q.

    [B, H, L, d] with L rounded up to 128 rows and d to 32 channels, which is much where L is short.
    """
    batch, heads, length, width = q.shape
    return batch * heads * (-(-length // 128) * 128) * (-(-width // 32) * 32) * 4
