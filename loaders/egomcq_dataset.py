"""The questions of EgoMCQ and their clips in shards: one narration, five clips, which one is meant?"""

from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from egocurate.errors import InputError
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.questions import read_questions
from egocurate.shards.read.index import ShardIndex
from egocurate.text_choices import TextForm


@dataclass(frozen=True)
class EgoMCQItem:
    """A question as a model sees it: its text, frames uint8 [5, T, 3, S, S], the answer's place and the type.

    The type is 1 for inter-video, 2 for intra-video.
    """

    text: str
    frames: torch.Tensor
    answer: int
    type: int


class EgoMCQDataset(Dataset[EgoMCQItem]):
    """The questions of an egomcq.json whose clips are in a folder of shards.

    To evaluate, embed each distinct clip once (`evaluation_clips`), then gather: option o of question q is row
    `choices[q, o]` of the embeddings in the order of `clips`.
    """

    def __init__(
        self,
        questions: str | Path,
        shards: str | Path,
        *,
        frames: int = 4,
        size: int = 224,
        text: TextForm = "normalized",
        pick: str = "segments-middle",
        decoder: str = "auto",
    ) -> None:
        """Read the questions; InputError if the file cannot be read or no question has its clips in the shards."""
        self.index = ShardIndex.open(shards)
        asked = read_questions(questions)
        options = {name: [self.index.get(option.key) for option in asked[name].options] for name in asked}
        self.names: list[str] = [name for name in asked if None not in options[name]]
        """Q keys of the questions that can be asked"""
        self.missing: list[str] = [name for name in asked if None in options[name]]
        """keys of the questions left out because a clip is not in the shards"""
        if not self.names:
            raise InputError(
                f"none of the {len(asked)} questions of {questions} has its five clips in {shards}: "
                "cut the clips of the same `curate egomcq` run into these shards"
            )
        samples = np.array([options[name] for name in self.names], dtype=np.int64)
        self.clips, places = np.unique(samples, return_inverse=True)
        """int64[K] sample ids of the distinct clips, ascending"""
        self.choices: np.ndarray = places.reshape(samples.shape)
        """int64[Q, 5] places in `clips`"""
        self.answers = np.array([asked[name].answer for name in self.names], dtype=np.int64)
        """int64[Q], 0 to 4"""
        self.types = np.array([asked[name].type for name in self.names], dtype=np.int64)
        """int64[Q], 1 = inter-video, 2 = intra-video"""
        self._asked = [asked[name].text for name in self.names] if text == "raw" else None
        self._clips = EvaluationClips(self.index, self.clips, frames=frames, size=size, pick=pick, decoder=decoder)

    def __len__(self) -> int:
        """Return Q."""
        return len(self.names)

    @property
    def texts(self) -> list[str]:
        """The Q narrations asked for: raw those of the file, normalized those of the answers' clips, as in training."""
        return [self._text(question) for question in range(len(self))]

    def only(self, questions: np.ndarray) -> "EgoMCQDataset":
        """Return the same with some of the questions alone, int64 places among them, and with their clips alone."""
        fewer = copy(self)
        fewer.names = [self.names[place] for place in questions]
        fewer.answers, fewer.types = self.answers[questions], self.types[questions]
        samples = self.clips[self.choices[questions]]
        fewer.clips, places = np.unique(samples, return_inverse=True)
        fewer.choices = places.reshape(samples.shape)
        fewer._clips = copy(self._clips)
        fewer._clips.samples = fewer.clips
        return fewer

    def evaluation_clips(self) -> EvaluationClips:
        """Return the distinct clips, in the order of `clips`, to be embedded once each."""
        return self._clips

    def __getitem__(self, question: int) -> EgoMCQItem:
        """Return a question; InputError naming a clip that does not decode."""
        frames = torch.stack([_decoded(self._clips[int(place)]) for place in self.choices[question]])
        return EgoMCQItem(self._text(question), frames, int(self.answers[question]), int(self.types[question]))

    def _text(self, question: int) -> str:
        if self._asked is not None:
            return self._asked[question]
        answer = self.clips[self.choices[question, self.answers[question]]]
        return self.index.row(int(answer)).text


def _decoded(clip: torch.Tensor | str) -> torch.Tensor:
    if isinstance(clip, str):
        raise InputError(f"an EgoMCQ clip does not decode: {clip}; run `curate verify` on the shards")
    return clip
