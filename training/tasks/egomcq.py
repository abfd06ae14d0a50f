"""EgoMCQ: by cosines of embeddings, by fusing text and clip, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

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
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import Embedder, answering, decode_batches, failures_of_ranks, sum_over_ranks
from egocurate.training.tasks.eval_batch import clips_at_once

if TYPE_CHECKING:
    from egocurate.training.systems.base import System

Mode = Literal["dual", "fused", "ensemble"]
MODES: tuple[Mode, ...] = ("dual", "fused", "ensemble")
CLIPS_IN_BLOCK = 256  # whose tokens are in memory while the questions that ask for them are answered by fusing
STAGE = "EgoMCQ"


class EgoMCQEvaluator:
    """Answers the questions of a run's config; where that names none, there is no accuracy.

    A question is left out and named if a clip of its five is not in the shards or does not decode: a choice among four
    would be another question. All the others are answered.
    """

    title, prefix = STAGE, "mcq"

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Read the questions; raises InputError for a system that cannot answer them, or not in the way asked for."""
        self.config, self.mode, self.workers = config, config.mcq_mode, config.data.workers
        self.system, self.ranks, self.report = system, ranks, report
        self.questions: EgoMCQDataset | None = None
        if config.mcq_json:
            if not system.embedding:
                raise InputError(f"{config.system} has no text tower to answer EgoMCQ with: leave out --mcq-json")
            if config.mcq_mode != "dual" and not system.can_fuse:
                raise InputError(f"{config.system} cannot fuse text and clip for mcq_mode={config.mcq_mode}: take dual")
            data = config.data
            self.questions = EgoMCQDataset(
                config.mcq_json,
                config.mcq_shards,
                frames=data.frames,
                size=data.size,
                text=data.text,
                decoder=data.decoder,
            )

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return the percentage of right answers by type, and the questions left out; the same on every rank.

        `mcq_mode` says what answers. Every rank calls this; raises InputError if no question can be answered.
        """
        if self.questions is None:
            return {}, []
        accuracies, left_out = self.evaluate_modes((self.mode,))
        return accuracies[self.mode], left_out

    def evaluate_modes(self, modes: Sequence[Mode]) -> tuple[dict[Mode, dict[str, float]], list[str]]:
        """Return what `evaluate` does for each way to answer, of one pass over the clips.

        dual: by the cosine of text and clip; fused: by the probability that they belong together; ensemble: by the sum
        of both (EgoVLPv2, 2307.05463).
        """
        questions = self.questions
        scores, failures = self._scores(modes)
        answered = ~np.isin(questions.choices, list(failures)).any(axis=1)
        if not answered.any():
            reason = next(iter(failures.values()))
            raise InputError(f"every EgoMCQ question has a clip that does not decode ({reason}); run `curate verify`")
        left_out = [f"question {name} (a clip is not in the shards)" for name in questions.missing]
        for question in np.flatnonzero(~answered):
            reason = next(failures[clip] for clip in questions.choices[question] if clip in failures)
            left_out.append(f"question {questions.names[question]} ({reason})")
        answers, types = questions.answers[answered], questions.types[answered]
        of_modes = zip(modes, scores, strict=True)
        return {mode: egomcq_accuracy(one[answered], answers, types) for mode, one in of_modes}, left_out

    def scores(self) -> tuple[np.ndarray, dict[int, str]]:
        """Return the scores of all questions' options, float32 [Q, 5], and the clips that do not decode, with reasons.

        Questions that ask for such a clip have scores without a meaning. Every rank calls this and gets all.
        """
        scores, failures = self._scores((self.mode,))
        return scores[0], failures

    @torch.no_grad()
    def _scores(self, modes: Sequence[Mode]) -> tuple[np.ndarray, dict[int, str]]:
        """Return `scores` for each way to answer, float32 [M, Q, 5]."""
        with answering(self.system.model):
            return self._dual_scores() if tuple(modes) == ("dual",) else self._fused_scores(modes)

    def _at_once(self) -> int:
        return clips_at_once(self.config, self.system, self.ranks)  # what is free now: training may hold the rest

    def _dual_scores(self) -> tuple[np.ndarray, dict[int, str]]:
        embedder = Embedder(self.system, self.ranks, self.workers, self._at_once())
        text = embedder.texts(self.questions.texts)
        clips, failures = embedder.clips(self.questions.evaluation_clips(), STAGE, self.report)
        return cosine_scores(text, clips, self.questions.choices)[None], failures

    def _fused_scores(self, modes: Sequence[Mode]) -> tuple[np.ndarray, dict[int, str]]:
        """Score the questions block by block, each rank a part of them."""
        choices, texts, ranks = self.questions.choices, self.questions.texts, self.ranks
        scores, failures, done = torch.zeros(len(modes), len(choices), OPTIONS, device=ranks.device), {}, 0
        at_once = self._at_once()
        blocks = question_blocks(choices, ranks.rank, ranks.size)
        clips_of_blocks = [np.unique(choices[block]) for block in blocks]
        all_decoded = decode_batches(self.questions.evaluation_clips(), clips_of_blocks, self.workers)
        for block, decoded in zip(blocks, all_decoded, strict=True):
            failures |= decoded.failures
            answered = block[np.isin(choices[block], decoded.places).all(axis=1)]
            if len(answered):
                options = torch.from_numpy(np.searchsorted(decoded.places, choices[answered])).to(ranks.device)
                frames = decoded.frames.to(ranks.device)
                of_block = self._block_scores(
                    frames,
                    [texts[question] for question in answered],
                    options,
                    at_once,
                    cosines=tuple(modes) != ("fused",),
                )
                scores[:, answered] = torch.stack([of_block[mode] for mode in modes])
            done = min(done + len(block) * ranks.size, len(choices))
            self.report(STAGE, done, len(choices))
        return sum_over_ranks(scores, ranks).cpu().numpy(), failures_of_ranks(failures, ranks)

    def _block_scores(
        self, frames: Tensor, texts: list[str], options: Tensor, at_once: int, *, cosines: bool
    ) -> dict[Mode, Tensor]:
        """Score Q texts against their options, int64 [Q, 5], rows of frames [K, T, 3, S, S]: float32 [Q, 5] each.

        Without `cosines` there are those of fusing alone.
        """
        with self.ranks.autocast():
            probability = self.system.match_probability(frames, texts, options, at_once)
            if not cosines:
                return {"fused": probability}
            text = self.system.embed_texts(texts)
            clips = torch.cat([self.system.embed_clips(part) for part in frames.split(at_once)])
        text, clips = F.normalize(text.float(), dim=1), F.normalize(clips.float(), dim=1)
        cosine = (text[:, None] * clips[options]).sum(2)
        return {"dual": cosine, "fused": probability, "ensemble": probability + cosine}


def question_blocks(
    choices: np.ndarray, rank: int = 0, ranks: int = 1, most_clips: int = CLIPS_IN_BLOCK
) -> list[np.ndarray]:
    """Cut a rank's even share of the questions into blocks int64 [q] that ask for at most `most_clips` distinct clips.

    choices: int64 [Q, 5]. A clip runs once for each block that asks for it; questions go by their first clip, so that
    those that share clips meet.
    """
    order = np.argsort(choices.min(axis=1), kind="stable")
    blocks: list[list[int]] = []
    clips: set[int] = set()
    for question in np.array_split(order, ranks)[rank].tolist():
        clips |= set(choices[question].tolist())
        if not blocks or len(clips) > most_clips:
            blocks, clips = [*blocks, []], set(choices[question].tolist())
        blocks[-1].append(question)
    return [np.array(block) for block in blocks]
