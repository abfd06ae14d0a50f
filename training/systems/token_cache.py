"""EgoVLPv2's gradient of a batch in parts: the tokens between its lower and its fused layers are what is cached.

The matching task sets a row's text beside a clip of any other row of any rank, so neither rows nor embeddings split its
batch. Tokens do: the lower layers run on each part without a gradient, the layers above run on the cached tokens part
by part and leave a gradient at each token, and the lower layers run once more to pass that on (GradCache, 2101.06983,
with two caches). That takes the memory of one part and of the tokens twice, and one pass of the dual encoder more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor

from egocurate.models.egovlpv2.masking_and_matching import Matches
from egocurate.models.egovlpv2.model import EgoVLPv2, Losses, LowerTokens, TrainingBatch


class Part(NamedTuple):
    """Some rows of a rank's batch, and the seed of their dropout."""

    rows: slice
    seed: int


def backward_in_parts(
    model: EgoVLPv2,
    parts: Sequence[Part],
    rows_of: Callable[[slice], TrainingBatch],
    pixels: Callable[[Tensor], Tensor],
    autocast: Callable[[], AbstractContextManager],
) -> Losses:
    """Add the gradient of the whole batch's loss to the parameters; returns the losses, detached.

    rows_of: some rows as the model takes them, but for their frames, which are uint8; pixels: normalizes those.
    """
    whole = rows_of(slice(None))
    tokens, embeddings = _cached(model, parts, rows_of, pixels, autocast)
    with autocast():
        contrast, partners = model.contrast(embeddings, whole)
    to_embeddings = torch.autograd.grad(model.objective.egonce * contrast, embeddings)

    rule, frames = model.objective, whole.frames.shape[1]
    hidden = torch.full((), len(whole.masked.targets), device=whole.ids.device)
    mlm = vtm = torch.zeros((), device=whole.ids.device)
    for part in parts:
        rows, mine = rows_of(part.rows), LowerTokens(*(each[part.rows] for each in tokens))
        chosen = Matches(*(each[part.rows] for each in partners))
        torch.manual_seed(part.seed + 1)
        with autocast():
            dual = model.dual(mine, rows.mask, frames)
            words = model.words_loss(mine, rows.mask, frames, rows.masked, hidden)
            matching = model.matching_loss(tokens, whole.mask, frames, chosen, rows.valid, whole.valid.sum())
            loss = rule.mlm * words + rule.vtm * matching
        torch.autograd.backward([loss, *dual], [None, *(each[part.rows] for each in to_embeddings)])
        mlm, vtm = mlm + words.detach(), vtm + matching.detach()

    leaves = _distinct(model, tokens)
    for part in parts:
        again = _distinct(model, _lower(model, part, rows_of(part.rows), pixels, autocast))
        torch.autograd.backward(again, [leaf.grad[part.rows] for leaf in leaves])
    return model.total(contrast.detach(), mlm, vtm)


def _cached(
    model: EgoVLPv2,
    parts: Sequence[Part],
    rows_of: Callable[[slice], TrainingBatch],
    pixels: Callable[[Tensor], Tensor],
    autocast: Callable[[], AbstractContextManager],
) -> tuple[LowerTokens, tuple[Tensor, Tensor]]:
    """Return the tokens and the embeddings of all rows as leaves that take gradients."""
    tokens, embeddings = [], []
    with torch.no_grad():
        for part in parts:
            rows = rows_of(part.rows)
            tokens.append(_distinct(model, _lower(model, part, rows, pixels, autocast)))
            torch.manual_seed(part.seed + 1)
            with autocast():
                embeddings.append(model.dual(_complete(tokens[-1]), rows.mask, rows.frames.shape[1]))
    text, video = (torch.cat(each).requires_grad_() for each in zip(*embeddings, strict=True))
    return _complete([torch.cat(each).requires_grad_() for each in zip(*tokens, strict=True)]), (text, video)


def _lower(
    model: EgoVLPv2,
    part: Part,
    rows: TrainingBatch,
    pixels: Callable[[Tensor], Tensor],
    autocast: Callable[[], AbstractContextManager],
) -> LowerTokens:
    torch.manual_seed(part.seed)  # both times the same dropout
    with autocast():  # a context for each call: what one casts without a gradient must not be found by the next
        return model.lower_tokens(rows.ids, rows.mask, rows.masked.ids, pixels(rows.frames))


def _distinct(model: EgoVLPv2, tokens: LowerTokens) -> list[Tensor]:
    """Return the tokens without those that are others under a second name."""
    return list(tokens[:-1] if model.config.shared else tokens)


def _complete(tokens: Sequence[Tensor]) -> LowerTokens:
    return LowerTokens(*tokens, *([tokens[2]] if len(tokens) == 3 else []))
