"""The swap quiz: is a clip nearer to its text than to texts with another verb or another noun?"""

from __future__ import annotations

import numpy as np
import torch

from egocurate.errors import InputError
from egocurate.loaders.quizzes.swap_quiz_dataset import SwapQuizDataset
from egocurate.models.metrics.swap_quiz import swap_quiz_accuracy
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.tasks.embed import Embedder, answering
from egocurate.training.tasks.eval_batch import clips_at_once

STAGE = "swap quiz"


class SwapQuizEvaluator:
    """Answers the questions of a run's config by cosines; where that names none, there are no figures."""

    title, prefix = STAGE, "swap"

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Read the questions; raises InputError for a system that cannot answer them, or without their clips."""
        self.config, self.system, self.ranks, self.report = config, system, ranks, report
        self.questions: SwapQuizDataset | None = None
        if config.swap_quiz:
            if not system.embedding:
                raise InputError(f"{config.system} has no text tower to answer the quiz with: leave out --swap-quiz")
            if not config.mcq_shards:
                raise InputError("--swap-quiz asks about the clips of --mcq-shards: name these, too")
            data = config.data
            shown = {"frames": data.frames, "size": data.size, "text": data.text, "decoder": data.decoder}
            self.questions = SwapQuizDataset(config.swap_quiz, config.mcq_shards, **shown)

    @torch.no_grad()
    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return the percentage of right answers, "verb", "noun" and "both", and the questions left out.

        Every rank calls this, and all get the same; raises InputError if no question can be answered.
        """
        quiz = self.questions
        if quiz is None:
            return {}, []
        with answering(self.system.model):
            at_once = clips_at_once(self.config, self.system, self.ranks)
            embedder = Embedder(self.system, self.ranks, self.config.data.workers, at_once)
            asked = [[one.text, *one.verb_swaps, *one.noun_swaps] for one in quiz.questions]
            texts = embedder.texts([text for of_question in asked for text in of_question]).split(list(map(len, asked)))
            clips, failures = embedder.clips(quiz.evaluation_clips(), STAGE, self.report)
        left_out = [f"question {name} (its clip is not in the shards)" for name in quiz.missing]
        left_out += [
            f"question {name} ({failures[place]})"
            for name, place in zip(quiz.names, quiz.places.tolist(), strict=True)
            if place in failures
        ]
        answered = np.flatnonzero(~np.isin(quiz.places, list(failures)))
        if not len(answered):
            raise InputError(f"no clip of the swap quiz decodes ({next(iter(failures.values()))}); run `curate verify`")
        scores = [(texts[at] @ clips[quiz.places[at]]).cpu().numpy() for at in answered]
        ends = [1 + len(quiz.questions[at].verb_swaps) for at in answered]
        right = np.array([of_question[0] for of_question in scores])
        verbs = [of_question[1:end] for of_question, end in zip(scores, ends, strict=True)]
        nouns = [of_question[end:] for of_question, end in zip(scores, ends, strict=True)]
        return swap_quiz_accuracy(right, verbs, nouns), left_out
