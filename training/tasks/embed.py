"""Embeddings of clips and texts, each rank a part, every rank the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from egocurate.progress import Report
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import System

TEXTS = 256  # embedded at once
CLIPS = 32


class Embedder(NamedTuple):
    """What embeds: a system, this rank among all, and how many processes decode for it."""

    system: System
    ranks: Ranks
    workers: int

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, each distinct one once, as float32 [M, D] of length 1."""
        distinct = list(dict.fromkeys(texts))
        rows = self._rows(len(distinct))
        share = np.array_split(np.arange(len(distinct)), self.ranks.size)[self.ranks.rank]
        for start in range(0, len(share), TEXTS):
            part = share[start : start + TEXTS]
            with self.ranks.autocast():
                rows[part] = self.system.embed_texts([distinct[i] for i in part]).float()
        place = {text: i for i, text in enumerate(distinct)}
        return self._unit(self.of_all(rows))[[place[text] for text in texts]]

    @torch.no_grad()
    def clips(self, clips: Dataset, stage: str, report: Report) -> tuple[Tensor, dict[int, str]]:
        """Embed the clips of a map-style data set as float32 [M, D] of length 1; say of which there are none, and why.

        An item is uint8 [T, 3, S, S], or the reason why it cannot be had: its row is 0, its place among those.
        """
        total = len(clips)
        rows, failed, done = self._rows(total), {}, 0
        share = np.array_split(np.arange(total), self.ranks.size)[self.ranks.rank]
        parts = [share[start : start + CLIPS] for start in range(0, len(share), CLIPS)]
        loader = DataLoader(
            clips,
            batch_sampler=parts,
            collate_fn=list,
            num_workers=self.workers,
            multiprocessing_context="fork" if self.workers else None,
        )
        for part, items in zip(parts, loader, strict=True):
            failed |= {int(i): item for i, item in zip(part, items, strict=True) if isinstance(item, str)}
            shown = [i for i, item in zip(part, items, strict=True) if not isinstance(item, str)]
            if shown:
                frames = torch.stack([item for item in items if not isinstance(item, str)]).to(self.ranks.device)
                with self.ranks.autocast():
                    rows[shown] = self.system.embed_clips(frames).float()
            done = min(done + len(part) * self.ranks.size, total)
            report(stage, done, total)
        return self._unit(self.of_all(rows)), self._together(failed)

    def _rows(self, count: int) -> Tensor:
        return torch.zeros(count, self.system.embedding, device=self.ranks.device)

    def of_all(self, rows: Tensor) -> Tensor:
        """Add up rows of all ranks, each of which is 0 but on one rank."""
        if self.ranks.size > 1:
            dist.all_reduce(rows)
        return rows

    def _unit(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows, dim=1, eps=1e-8)

    def _together(self, failed: dict[int, str]) -> dict[int, str]:
        if self.ranks.size == 1:
            return failed
        parts: list[dict[int, str]] = [{}] * self.ranks.size
        dist.all_gather_object(parts, failed)
        return dict(sorted(item for part in parts for item in part.items()))
