"""EgoMCQ while training: distinct clips and texts are embedded once, each rank a part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from loaders import InputError
from loaders.mcq import MCQDataset
from models.metrics import McqQuestions, mcq_accuracy
from training.config import TrainConfig
from training.systems.base import System
from training.world import World

Report = Callable[[str, int, int], None]
"""(stage, done, total)"""


class Quiz:
    """The questions of a run; without any it has no accuracy."""

    def __init__(self, config: TrainConfig, system: System, world: World, report: Report) -> None:
        """Read the questions; raises InputError for a system that cannot answer them."""
        self.config, self.system, self.world, self.report = config, system, world, report
        self.questions, self.texts = None, []
        if config.mcq_json:
            if not system.embedding:
                raise InputError(f"{config.system} has no text tower to answer EgoMCQ with: leave out --mcq-json")
            shown = config.data
            self.questions = MCQDataset(config.mcq_json, config.mcq_shards, frames=shown.frames, size=shown.size)
            self.texts = self.questions.texts

    @torch.no_grad()
    def accuracy(self) -> dict[str, float]:
        """Return the percentage of right answers by type, the same on every rank; every rank calls this."""
        quiz, world, model = self.questions, self.world, self.system.model
        if quiz is None:
            return {}
        model.eval()
        clips, texts = self._embed_clips(quiz), self._embed_texts()
        model.train()
        if world.size > 1:  # the rows of other ranks are 0 here
            dist.all_reduce(clips)
            dist.all_reduce(texts)
        return mcq_accuracy(texts, clips, McqQuestions(quiz.choices, quiz.answers, quiz.types))

    def _embed_clips(self, quiz: MCQDataset) -> Tensor:
        world, done = self.world, 0
        rows = torch.zeros(len(quiz.clips), self.system.embedding, device=world.device)
        share = {"rank": world.rank, "world": world.size}
        for batch in quiz.mcq_clips(batch_size=64, workers=self.config.data.workers, **share):
            with world.autocast():
                embedded = self.system.embed_clips(batch.frames.to(world.device))
            rows[np.searchsorted(quiz.clips, batch.sample.numpy())] = embedded.float()
            done = min(done + len(batch) * world.size, len(rows))
            self.report("EgoMCQ", done, len(rows))
        return rows

    def _embed_texts(self) -> Tensor:
        world = self.world
        rows = torch.zeros(len(self.texts), self.system.embedding, device=world.device)
        share = np.array_split(np.arange(len(rows)), world.size)[world.rank]
        for start in range(0, len(share), 256):
            part = share[start : start + 256]
            with world.autocast():
                rows[part] = self.system.embed_texts([self.texts[i] for i in part]).float()
        return rows
