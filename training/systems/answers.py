"""EgoVLPv2 tuned to EgoTaskQA: which of the answers belongs to a clip and a question."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import to_device
from egocurate.models.egovlpv2.answers import HEAD, EgoVLPv2Answers
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, check_clips, tower_bytes, with_frames
from egocurate.training.systems.classifier import chosen_names, names_of_run
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import tokens_for
from egocurate.training.tasks.egotaskqa import ANSWER, EgoTaskQAEvaluator


class AnswerSystem(System):
    """The fused towers of EgoVLPv2 with a head for the answers, or with `objective.head_only` the head alone."""

    splits_by = "rows"
    new_parameters = (HEAD,)
    published_tokenizer = "roberta-base"

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build for the answers of the data, or of the run that is used; InputError for what does not fit."""
        sizes, objective = with_frames(config.model, config.data.frames), config.objective
        check_clips(config, sizes.video.image, sizes.video.max_frames)
        names = names_of_run(Path(config.out)) if data is None else data.indexes[0].label_names
        self.label_names = chosen_names(names, (ANSWER,), config.shards)
        answers = len(self.label_names[ANSWER])
        try:
            model = EgoVLPv2Answers(sizes, answers, dropout=objective.dropout, head_only=objective.head_only)
        except ValueError as error:
            raise InputError(str(error)) from error
        vocab, longest = model.text.model.config.vocab_size, sizes.text.max_tokens
        self.tokens = tokens_for(config, data, ranks, vocab, longest, prepare=str.lower)
        self.model, self.objective, self.video = model.to(ranks.device), objective, sizes.video

    def load_initial_weights(self, config: TrainConfig) -> list[str]:
        """Load what the towers start from; raises InputError for a head that is to learn on towers that have not."""
        if self.objective.head_only and not config.start:
            raise InputError("towers from nothing have nothing to tell a head: --set start=RUN or weights")
        return super().load_initial_weights(config)

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the cross entropy, a mean over rows; a row whose answer is not known adds nothing."""
        with step_rng.timed():
            tokens = self.tokens(batch.texts)
        logits = network(*tokens, self.pixels(batch.frames))
        total = F.cross_entropy(logits.float(), batch.labels[ANSWER], ignore_index=UNKNOWN, reduction="sum")
        return {"loss": total / len(logits)}

    def answer_logits(self, frames: Tensor, questions: list[str]) -> Tensor:
        """Map uint8 frames [B, T, 3, S, S] and a question about each to logits [B, answers]."""
        ids, mask = (to_device(part, frames.device) for part in self.tokens.on_host(questions))
        return self.model(ids, mask, self.pixels(frames))

    def features(self, frames: Tensor) -> Tensor:
        """Return the video tower's [B, width], as that of EgoVLPv2."""
        return self.model.video(self.pixels(frames))

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the video tower, and in the attention by which it reads a text."""
        return 2 * tower_bytes(self.video, frames)

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> EgoTaskQAEvaluator:
        """Return the questions of `test_shards`."""
        return EgoTaskQAEvaluator(config, self, ranks, report)
