"""Natural language queries: questions, features and VSLNet together, as something to learn and to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.models.localization.choose import best_spans
from egocurate.models.localization.config import VSLNetConfig
from egocurate.models.localization.query_localizer import QueryLocalizer
from egocurate.models.localization.vslnet import span_loss
from egocurate.models.metrics.queries import mean_iou, query_recall
from egocurate.training.localization.clip_features import ClipFeatures
from egocurate.training.localization.nlq_json import Query, all_told, true_windows, write_predictions
from egocurate.training.localization.query_texts import Vocabulary, padded, vocabulary_of

AT_ONCE = 64
"""questions that are answered together"""
TOP = 5

Embed = Callable[[Sequence[str]], Tensor]
"""embeds texts as float32 [M, S]"""
EmbedTokens = Callable[[Sequence[str]], list[Tensor]]
"""embeds the tokens of each text, float32 [L, W]"""


@dataclass(frozen=True)
class TextTowers:
    """What reads questions beside what is learned here: None of a sentence, and words that are learned from nothing."""

    sentence: Embed | None = None
    words: EmbedTokens | None = None


@dataclass(frozen=True)
class _Asked:
    """Questions with what the model reads of them."""

    queries: list[Query]
    words: list[Tensor]  # of each: int64 [L], or float32 [L, W]
    sentences: Tensor  # float32 [Q, S]; S 0: none

    @cached_property
    def longest(self) -> int:
        """Words of the longest question."""
        return max(map(len, self.words))


class QueryTask:
    """VSLNet on the questions of two files: answered ones to learn from, and those to be tested on."""

    def __init__(
        self,
        train: Sequence[Query],
        test: Sequence[Query],
        clips: ClipFeatures,
        towers: TextTowers,
        config: VSLNetConfig | None = None,
    ) -> None:
        """Build the model for the features and the words there are; raises InputError if nothing can be learned.

        Questions about clips without features are left out of both files.
        """
        self.config, self.clips = config or VSLNetConfig(), clips
        learned = [query for query in train if query.clip.uid in clips.pooled and query.has_answer]
        tested = [query for query in test if query.clip.uid in clips.pooled]
        if not learned or not tested:
            raise InputError(f"{len(learned)} questions to learn from and {len(tested)} to test on have features")
        self.vocabulary = Vocabulary({}) if towers.words else vocabulary_of([query.text for query in learned])
        self.train, self.test = self._asked(learned, towers), self._asked(tested, towers)
        self.token_width = self.train.words[0].shape[1] if towers.words else 0
        self.spans = np.array([clips.pooled[query.clip.uid].span(query.answer) for query in learned])
        self.model = QueryLocalizer(
            self.config,
            video_width=clips.width,
            words=len(self.vocabulary),
            token_width=self.token_width,
            sentence_width=self.train.sentences.shape[1],
        )

    def __len__(self) -> int:
        """Return how many questions there are to learn from."""
        return len(self.train.queries)

    def losses(self, items: np.ndarray, device: torch.device) -> dict[str, Tensor]:
        """Return the losses of some questions."""
        video, seen, *texts = self._batch(self.train, items, device)
        logits = self.model(video, seen, *texts)
        return span_loss(logits, torch.from_numpy(self.spans[items]).to(device), seen, self.config)

    def evaluate(self, device: torch.device, predictions: Path | None) -> dict[str, float]:
        """Return R1 and R5 at IoU .3 and .5, their means and the mean IoU, in percent, of the questions to test on."""
        windows = self.predict(device)
        if predictions is not None:
            write_predictions(predictions, self.test.queries, windows)
        return query_figures(windows, true_windows(self.test.queries)) if all_told(self.test.queries) else {}

    @torch.no_grad()
    def predict(self, device: torch.device) -> list[np.ndarray]:
        """Return the best windows [K, 2] of each question to test on, in seconds of its clip, best first."""
        self.model.eval()
        windows = []
        for start in range(0, len(self.test.queries), AT_ONCE):
            items = np.arange(start, min(start + AT_ONCE, len(self.test.queries)))
            logits = self.model(*self._batch(self.test, items, device))
            ends = [part.float().softmax(1).cpu().numpy() for part in (logits.start, logits.end)]
            for item, first, last in zip(items, *ends, strict=True):
                clip = self.clips.pooled[self.test.queries[item].clip.uid]
                count = len(clip.rows)
                windows.append(clip.window(best_spans(first[:count], last[:count], top=TOP)))
        return windows

    def _asked(self, queries: list[Query], towers: TextTowers) -> _Asked:
        texts = [query.text for query in queries]
        sentences = towers.sentence(texts).float().cpu() if towers.sentence else torch.zeros(len(texts), 0)
        words = [states.cpu() for states in towers.words(texts)] if towers.words else self.vocabulary.ids(texts)
        return _Asked(queries, words, sentences)

    def _batch(self, asked: _Asked, items: np.ndarray, device: torch.device) -> tuple[Tensor, ...]:
        video, seen = self.clips.batch([asked.queries[item].clip.uid for item in items], device)
        words, said = padded([asked.words[item] for item in items], asked.longest)
        sentences = asked.sentences[torch.from_numpy(items)]
        return video, seen, words.to(device), said.to(device), sentences.to(device)


def query_figures(windows: Sequence[np.ndarray], true: np.ndarray) -> dict[str, float]:
    """Return Ego4D's figures of NLQ in percent: recall by rank and IoU, its mean over both IoUs, the mean IoU."""
    predicted = np.full((len(windows), TOP, 2), np.nan)
    for place, each in enumerate(windows):
        predicted[place, : len(each)] = each[:TOP]
    figures = {f"R{k}@{iou:g}": value for (k, iou), value in query_recall(predicted, true).items()}
    means = {f"R{k}_mean": (figures[f"R{k}@0.3"] + figures[f"R{k}@0.5"]) / 2 for k in (1, 5)}
    return figures | means | {"mIoU": mean_iou(predicted, true)}
