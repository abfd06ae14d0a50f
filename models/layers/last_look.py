"""Where a model looks: by how much the last attention that makes a clip's feature reads each of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from egocurate.models.layers.divided_attention import DividedAttention
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import SelfAttention

READERS: dict[type[nn.Module], str] = {
    DividedAttention: "[CLS]",
    AttentionPool: "the query",
    SelfAttention: "all tokens",
}
"""What reads the tokens in each kind of attention"""


@torch.no_grad()
def last_look(model: nn.Module, see: Callable[[], object]) -> tuple[Tensor, str]:
    """Return the weights [B, L] of the tokens in the last attention that `see` runs of a model, and who reads them.

    Raises ValueError where nothing with such an attention is run.
    """
    with _watched(model) as seen:
        see()
    if not seen:
        raise ValueError("no attention of this model can be drawn")
    module, tokens = seen[-1]
    return module.looks_at(tokens), READERS[type(module)]


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Give the list that gets each attention that is run, with the tokens that it is given; the newest alone stays."""
    seen: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen[:] = [(module, given[0])]

    hooks = [part.register_forward_pre_hook(note) for part in model.modules() if type(part) in READERS]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
