"""The questions of the swap quiz and their clips in shards: one clip, its text and swaps of it, which one is right?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.shards.read.index import ShardIndex
from egocurate.swap_quiz import SwapQuestion, read_swap_quiz
from egocurate.text_choices import TextForm


class SwapQuizDataset:
    """The questions of a swap_quiz.json whose clips are in a folder of shards."""

    def __init__(
        self,
        quiz: str | Path,
        shards: str | Path,
        *,
        frames: int = 4,
        size: int = 224,
        text: TextForm = "normalized",
        decoder: str = "auto",
    ) -> None:
        """Read the questions; InputError if the file cannot be read or no question has its clip in the shards."""
        asked, index = read_swap_quiz(quiz, text), ShardIndex.open(shards)
        samples = {name: index.get(question.clip.key) for name, question in asked.items()}
        self.names: list[str] = [name for name, sample in samples.items() if sample is not None]
        """Q keys of the questions that can be asked"""
        self.missing: list[str] = [name for name, sample in samples.items() if sample is None]
        """keys of the questions left out because their clip is not in the shards"""
        if not self.names:
            raise InputError(
                f"none of the {len(asked)} questions of {quiz} has its clip in {shards}: cut that EgoMCQ's"
            )
        self.questions: list[SwapQuestion] = [asked[name] for name in self.names]
        self.clips, self.places = np.unique([samples[name] for name in self.names], return_inverse=True)
        """int64[K] sample ids of the distinct clips, ascending, and int64[Q] which of them each question asks about"""
        self._clips = EvaluationClips(index, self.clips, frames=frames, size=size, decoder=decoder)

    def __len__(self) -> int:
        """Return Q."""
        return len(self.names)

    def evaluation_clips(self) -> EvaluationClips:
        """Return the distinct clips, in the order of `clips`, to be embedded once each."""
        return self._clips
