"""Query-focused summaries: videos with known summaries to learn from, one video to be tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from egocurate.errors import InputError
from egocurate.models.localization.config import ShotRankerConfig
from egocurate.models.localization.shot_ranker import ShotRanker
from egocurate.models.metrics.summaries import SummaryScore, summary_score
from egocurate.storage.atomic import write_json
from egocurate.training.localization.qfvs_files import Summary, TaggedVideo, sentence_of
from egocurate.training.localization.query_task import Embed
from egocurate.training.localization.shot_features import ShotFeatures, by_segment


@dataclass(frozen=True)
class _Video:
    """A video with what the model reads of it, and of each of its queries: both concepts, one, the other."""

    tagged: TaggedVideo
    shots: ShotFeatures
    concepts: Tensor  # int64 [Q, 3, 2]
    sentences: Tensor  # float32 [Q, 3, T]; T 0: none
    wanted: Tensor  # float32 [Q, 3, N]: the shots of the summary, and those that show each concept


class SummaryTask:
    """The ranker on all videos but one, and the summaries of that one."""

    def __init__(
        self,
        train: Sequence[TaggedVideo],
        test: TaggedVideo,
        rows: Mapping[str, np.ndarray],
        names: Sequence[str],
        embed: Embed | None,
        *,
        share: float,
        config: ShotRankerConfig | None = None,
    ) -> None:
        """Build the model; rows: the features of each video's shots, names: of the concepts; InputError for no videos.

        share: of the shots of a video that a summary shows.
        """
        self.config, self.share = config or ShotRankerConfig(), share
        if not train:
            raise InputError(f"there is no video but {test.name}: nothing to learn from")
        self._numbers = {name: number for number, name in enumerate(names, 1)}
        self.train = [self._video(video, rows[video.name], embed) for video in train]
        self.test = self._video(test, rows[test.name], embed)
        self._items = [(video, place) for video in self.train for place in range(len(video.concepts))]
        self.model = ShotRanker(
            self.config,
            shot_width=rows[test.name].shape[1],
            concepts=1 + len(names),
            sentence_width=self.test.sentences.shape[-1],
        )

    def __len__(self) -> int:
        """Return how many queries there are to learn from."""
        return len(self._items)

    def losses(self, items: np.ndarray, device: torch.device) -> dict[str, Tensor]:
        """Return the losses of some queries: of the summary's shots, and of those that show each of its concepts."""
        sums = torch.zeros(3, device=device)
        for video, places in self._by_video(items):
            logits, wanted = self._logits(video, places, device), video.wanted[places].to(device)
            sums = sums + F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(2).sum(0)
        summary, *concepts = sums / len(items)
        return {"loss": summary + sum(concepts), "summary": summary, "concepts": sum(concepts)}

    def evaluate(self, device: torch.device, predictions: Path | None) -> dict[str, float]:
        """Return the mean precision, recall and F1 of the summaries of the video to test on, in percent."""
        chosen = self.predict(device)
        if predictions is not None:
            write_json(predictions, {name: (np.sort(shots) + 1).tolist() for name, shots in chosen.items()})
        return summary_figures(self.test.tagged, list(chosen.values()))

    @torch.no_grad()
    def predict(self, device: torch.device) -> dict[str, np.ndarray]:
        """Return the shots of each summary, the best first, int64 [K]: `share` of those of the video, one at least."""
        self.model.eval()
        video = self.test
        count = max(1, int(len(video.tagged.shows) * self.share))
        chosen = {}
        for place, summary in enumerate(video.tagged.summaries):
            logits = self._logits(video, [place], device)[0, 0].float().cpu().numpy()
            chosen[summary.name] = np.argsort(-logits, kind="stable")[:count]
        return chosen

    def _by_video(self, items: np.ndarray) -> list[tuple[_Video, list[int]]]:
        """Return the videos that queries are of, and the places of these among each one's."""
        places: dict[str, tuple[_Video, list[int]]] = {}
        for video, place in (self._items[item] for item in items):
            places.setdefault(video.tagged.name, (video, []))[1].append(place)
        return list(places.values())

    def _logits(self, video: _Video, places: list[int], device: torch.device) -> Tensor:
        """Return the logits of a video's shots for queries, for the first concept of each and its second, [Q, 3, N]."""
        seen = video.shots.seen.to(device)
        texts = (texts[places].flatten(0, 1).to(device) for texts in (video.concepts, video.sentences))
        return self.model(video.shots.rows.to(device), seen, *texts)[:, seen].unflatten(0, (-1, 3))

    def _video(self, tagged: TaggedVideo, rows: np.ndarray, embed: Embed | None) -> _Video:
        asked = [_asked(summary) for summary in tagged.summaries]
        said = [sentence_of(few) for three in asked for few in three]
        sentences = embed(said).float().cpu() if embed else torch.zeros(len(said), 0)
        numbers = [[[self._numbers.get(one, 0) for one in (*few, "")[:2]] for few in three] for three in asked]
        wanted = np.zeros((len(asked), 3, len(tagged.shows)), np.float32)
        for place, summary in enumerate(tagged.summaries):
            wanted[place, 0, summary.shots] = 1
            for row, concept in enumerate(summary.concepts, 1):
                if concept in self._numbers:
                    wanted[place, row] = tagged.shows[:, self._numbers[concept] - 1]
        return _Video(
            tagged,
            by_segment(rows, self.config),
            torch.tensor(numbers),
            sentences.unflatten(0, (-1, 3)),
            torch.from_numpy(wanted),
        )


def summary_figures(video: TaggedVideo, chosen: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the means over a video's queries, in percent, of summaries that are int64 [K] shots each."""
    pairs = zip(chosen, video.summaries, strict=True)
    scores = [summary_score(video.shows[shots], video.shows[summary.shots]) for shots, summary in pairs]
    means = SummaryScore(*(100 * np.mean(scores, axis=0)))
    return {"F1": float(means.f1), "precision": float(means.precision), "recall": float(means.recall)}


def _asked(summary: Summary) -> tuple[tuple[str, ...], ...]:
    first, second = summary.concepts
    return (first, second), (first,), (second,)
