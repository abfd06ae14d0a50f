"""EgoMCQ while training: by cosines of embeddings, by fusing text and clip, or by both."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders.egomcq_dataset import EgoMCQDataset
from egocurate.models.metrics.egomcq import cosine_scores, egomcq_accuracy
from egocurate.progress import Report
from egocurate.questions import OPTIONS
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import whole
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.tasks.embed import Embedder

CLIPS = 64  # embedded at once
HELD = 256  # clips whose tokens are held while the questions that ask for them are answered by fusing


class EgoMCQEvaluator:
    """The questions of a run; without any it has no accuracy."""

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Read the questions; raises InputError for a system that cannot answer them, or not in the way asked for."""
        self.config, self.system, self.ranks, self.report = config, system, ranks, report
        self.embedder = Embedder(system, ranks, config.data.workers)
        self.questions, self.texts = None, []
        if config.mcq_json:
            if not system.embedding:
                raise InputError(f"{config.system} has no text tower to answer EgoMCQ with: leave out --mcq-json")
            if config.mcq_mode != "dual" and not system.can_fuse:
                raise InputError(f"{config.system} cannot fuse text and clip for mcq_mode={config.mcq_mode}: take dual")
            shown = config.data
            self.questions = EgoMCQDataset(config.mcq_json, config.mcq_shards, frames=shown.frames, size=shown.size)
            self.texts = self.questions.texts

    @torch.no_grad()
    def accuracy(self) -> dict[str, float]:
        """Return the percentage of right answers by type, the same on every rank; every rank calls this.

        `mcq_mode` says by what: dual, the cosine of text and clip; fused, the probability that they belong together;
        ensemble, the sum of both (EgoVLPv2, 2307.05463).
        """
        quiz, model = self.questions, self.system.model
        if quiz is None:
            return {}
        training = model.training
        model.eval()
        try:
            with whole(model):
                if self.config.mcq_mode == "dual":
                    scores = cosine_scores(self.embedder.texts(self.texts), self._embed_clips(quiz), quiz.choices)
                else:
                    scores = self.fused_scores().cpu().numpy()
                return egomcq_accuracy(scores, quiz.answers, quiz.types)
        finally:
            model.train(training)

    def _embed_clips(self, quiz: EgoMCQDataset) -> Tensor:
        """Embed each distinct clip once, each rank a part."""
        ranks, done = self.ranks, 0
        rows = torch.zeros(len(quiz.clips), self.system.embedding, device=ranks.device)
        share = {"rank": ranks.rank, "world": ranks.size}
        for batch in quiz.mcq_clips(batch_size=CLIPS, workers=self.config.data.workers, **share):
            with ranks.autocast():
                embedded = self.system.embed_clips(batch.frames.to(ranks.device))
            rows[np.searchsorted(quiz.clips, batch.sample.numpy())] = embedded.float()
            done = min(done + len(batch) * ranks.size, len(rows))
            self.report("EgoMCQ", done, len(rows))
        return self.embedder.of_all(rows)

    def fused_scores(self) -> Tensor:
        """Score every question's options [Q, 5] as `mcq_mode` says, each rank a part of the questions, by blocks.

        The model must be in eval mode. Every rank calls this and gets all.
        """
        quiz, ranks, done = self.questions, self.ranks, 0
        rows = torch.zeros(len(quiz), OPTIONS, device=ranks.device)
        blocks = blocks_of(quiz.choices, ranks.rank, ranks.size)
        shown = [np.unique(quiz.choices[block]) for block in blocks]
        clips = quiz.batches(shown, self.config.data.workers)
        for block, places, batch in zip(blocks, shown, clips, strict=True):
            options = torch.from_numpy(np.searchsorted(places, quiz.choices[block])).to(ranks.device)
            rows[block] = self._block(batch.frames.to(ranks.device), [self.texts[q] for q in block], options)
            done = min(done + len(block) * ranks.size, len(rows))
            self.report("EgoMCQ", done, len(rows))
        return self.embedder.of_all(rows)

    def _block(self, frames: Tensor, texts: list[str], options: Tensor) -> Tensor:
        """Score Q texts against their options, int64 [Q, 5], rows of frames [K, T, 3, S, S]: float32 [Q, 5]."""
        with self.ranks.autocast():
            together = self.system.together(frames, texts, options)
            if self.config.mcq_mode == "fused":
                return together
            text, clips = self.system.embed_texts(texts), self.system.embed_clips(frames)
        text, clips = F.normalize(text.float(), dim=1), F.normalize(clips.float(), dim=1)
        return together + (text[:, None] * clips[options]).sum(2)


def blocks_of(choices: np.ndarray, rank: int = 0, ranks: int = 1, held: int = HELD) -> list[np.ndarray]:
    """Cut a rank's even share of the questions into blocks int64 [q] that ask for no more than `held` distinct clips.

    choices: int64 [Q, 5]. A clip runs once for each block that asks for it; questions go by their first clip, so that
    those that share clips meet.
    """
    order = np.argsort(choices.min(axis=1), kind="stable")
    blocks: list[list[int]] = []
    clips: set[int] = set()
    for question in np.array_split(order, ranks)[rank].tolist():
        clips |= set(choices[question].tolist())
        if not blocks or len(clips) > held:
            blocks, clips = [*blocks, []], set(choices[question].tolist())
        blocks[-1].append(question)
    return [np.array(block) for block in blocks]
