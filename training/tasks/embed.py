"""Embeddings of clips and texts for every benchmark: each rank embeds a part, and every rank gets all of them.

A clip that does not decode never stops an evaluation. Each benchmark leaves out what asks for it and names that beside
its figures, so that one damaged file neither costs the figures of a long run nor changes them in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from egocurate.progress import Report
from egocurate.training.distributed.parallel import unsharded
from egocurate.training.distributed.ranks import Ranks

if TYPE_CHECKING:  # systems are tested by tasks, and import them
    from egocurate.training.systems.base import System

TEXTS_AT_ONCE = 256


class DecodedClips(NamedTuple):
    """Some clips of a data set: the places of those that decode, their frames, and why the others do not."""

    places: np.ndarray  # int64 [B]
    frames: Tensor  # uint8 [B, T, 3, S, S], or [B, V, T, 3, S, S] of clips of V views
    failures: dict[int, str]


class Embedder(NamedTuple):
    """What embeds: a system, this rank among all, how many processes decode for it, how many clips it takes at once."""

    system: System
    ranks: Ranks
    workers: int
    clips_at_once: int

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, each distinct one once, as float32 [M, D] of length 1."""
        distinct = list(dict.fromkeys(texts))
        rows = self._zeros(len(distinct))
        share = np.array_split(np.arange(len(distinct)), self.ranks.size)[self.ranks.rank]
        for start in range(0, len(share), TEXTS_AT_ONCE):
            part = share[start : start + TEXTS_AT_ONCE]
            with self.ranks.autocast():
                rows[part] = self.system.embed_texts([distinct[i] for i in part]).float()
        place = {text: i for i, text in enumerate(distinct)}
        return unit_rows(sum_over_ranks(rows, self.ranks))[[place[text] for text in texts]]

    @torch.no_grad()
    def tokens(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the last hidden states of each text's tokens, float32 [L, W] with L >= 1; every rank does them all."""
        distinct, states = list(dict.fromkeys(texts)), {}
        for start in range(0, len(distinct), TEXTS_AT_ONCE):
            part = distinct[start : start + TEXTS_AT_ONCE]
            with self.ranks.autocast():
                rows, mask = self.system.embed_tokens(part)
            lengths = mask.sum(1).clamp(min=1).tolist()
            # Copies: parts of `rows` would keep all of its padding.
            states |= {text: row[:n].float().clone() for text, row, n in zip(part, rows, lengths, strict=True)}
        return [states[text] for text in texts]

    @torch.no_grad()
    def frames(self, frames: Tensor) -> Tensor:
        """Embed clips uint8 [B, T, 3, S, S] as float32 [B, D], not yet of length 1; their features without texts.

        Of clips of several views, uint8 [B, V, T, 3, S, S], it is the mean of the views' embeddings of length 1.
        """
        if frames.ndim == 6:
            return unit_rows(self.frames(frames.flatten(0, 1))).unflatten(0, frames.shape[:2]).mean(1)
        embed = self.system.embed_clips if self.system.embedding else self.system.features
        with self.ranks.autocast():
            return embed(frames.to(self.ranks.device)).float()

    @torch.no_grad()
    def clips(self, clips: Dataset, stage: str, report: Report) -> tuple[Tensor, dict[int, str]]:
        """Embed the clips of a map-style data set as float32 [M, D] of length 1, and say which do not decode, and why.

        An item is uint8 [T, 3, S, S], [V, T, 3, S, S] for V views, or a text that says why the clip cannot be had: then
        its row is 0.
        """
        total = len(clips)
        rows, failures, done = self._zeros(total), {}, 0
        share = np.array_split(np.arange(total), self.ranks.size)[self.ranks.rank]
        batches = [share[start : start + self.clips_at_once] for start in range(0, len(share), self.clips_at_once)]
        for batch, decoded in zip(batches, decode_batches(clips, batches, self.workers), strict=True):
            failures |= decoded.failures
            if len(decoded.places):
                rows[decoded.places] = self.frames(decoded.frames)
            done = min(done + len(batch) * self.ranks.size, total)
            report(stage, done, total)
        return unit_rows(sum_over_ranks(rows, self.ranks)), failures_of_ranks(failures, self.ranks)

    def _zeros(self, count: int) -> Tensor:
        return torch.zeros(count, self.system.embedding, device=self.ranks.device)


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """Have a model whole on every rank and in its mode of use for the time of a block; then as it was."""
    training = model.training
    model.eval()
    try:
        with unsharded(model):
            yield
    finally:
        model.train(training)


def decode_batches(clips: Dataset, batches: Sequence[np.ndarray], workers: int) -> Iterator[DecodedClips]:
    """Yield the clips of a map-style data set at each of these int64 arrays of places, decoded by worker processes."""
    loader = DataLoader(
        clips,
        batch_sampler=batches,
        collate_fn=list,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        generator=torch.Generator(),  # of its own: what training draws does not depend on evaluations
    )
    for places, items in zip(batches, loader, strict=True):
        decodes = np.array([not isinstance(item, str) for item in items])
        frames = [item for item in items if not isinstance(item, str)]
        failures = {int(place): item for place, item in zip(places, items, strict=True) if isinstance(item, str)}
        yield DecodedClips(places[decodes], torch.stack(frames) if frames else torch.empty(0), failures)


def unit_rows(rows: Tensor) -> Tensor:
    """Return rows [M, D] of length 1; rows of zeros stay."""
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-8)


def sum_over_ranks(rows: Tensor, ranks: Ranks) -> Tensor:
    """Return rows of all ranks, each of which is 0 on all ranks but one; changes them in place."""
    if ranks.size > 1:
        dist.all_reduce(rows)
    return rows


def failures_of_ranks(failures: dict[int, str], ranks: Ranks) -> dict[int, str]:
    """Return the failures of all ranks in order of their places."""
    parts = [failures]
    if ranks.size > 1:
        parts = [{}] * ranks.size
        dist.all_gather_object(parts, failures)
    return dict(sorted(item for part in parts for item in part.items()))
