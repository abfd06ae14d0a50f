"""Moment queries: labeled clips, features and the detector together, as something to learn and to evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from egocurate.errors import InputError
from egocurate.models.localization.choose import soft_nms
from egocurate.models.localization.config import DetectorConfig
from egocurate.models.localization.detector import MomentDetector, assign, detection_loss, grid
from egocurate.models.metrics.moments import Moments, moment_map, moment_recall
from egocurate.training.localization.clip_features import ClipFeatures
from egocurate.training.localization.moments_json import LabeledClip, true_moments, write_predictions

CANDIDATES = 1000
"""places of a clip, by score, that are looked at"""
MOST = 200
"""moments that are told of a clip"""
LEAST_SCORE = 1e-3


class MomentTask:
    """The detector on the clips of two files: those with moments to learn from, and those to be tested on."""

    def __init__(
        self,
        train: Sequence[LabeledClip],
        test: Sequence[LabeledClip],
        clips: ClipFeatures,
        config: DetectorConfig | None = None,
    ) -> None:
        """Build the model for the features and the labels there are; raises InputError if nothing can be learned."""
        self.config, self.clips = config or DetectorConfig(), clips
        self.train = [clip for clip in train if clip.clip.uid in clips.pooled and clip.labels]
        self.test = [clip for clip in test if clip.clip.uid in clips.pooled]
        if not self.train or not self.test:
            raise InputError(f"{len(self.train)} clips to learn from and {len(self.test)} to test on have features")
        self.names = sorted({label for clip in self.train for label in clip.labels})
        self.model = MomentDetector(self.config, clips.width, len(self.names))

    def __len__(self) -> int:
        """Return how many clips there are to learn from."""
        return len(self.train)

    def losses(self, items: np.ndarray, device: torch.device) -> dict[str, Tensor]:
        """Return the losses of some clips."""
        batch = [self.train[item] for item in items]
        video, seen = self._batch(batch, device)
        at = grid(video.shape[1], self.config)
        labels, reach = zip(*(self._targets(clip, at) for clip in batch), strict=True)
        return detection_loss(self.model(video, seen), torch.stack(labels).to(device), torch.stack(reach).to(device))

    def evaluate(self, device: torch.device, predictions: Path | None) -> dict[str, float]:
        """Return mAP at tIoU .1 to .5, their mean, and the recall at 1x and 5x, in percent, of the clips to test on."""
        found = self.predict(device)
        if predictions is not None:
            write_predictions(predictions, self.test, found, self.names)
        true = true_moments(self.test, self.names)
        return moment_figures(found, true) if len(true.video) else {}

    @torch.no_grad()
    def predict(self, device: torch.device) -> Moments:
        """Return the moments of the clips to test on, `video` the place of the clip, in seconds of it."""
        self.model.eval()
        parts = [self._of_clip(place, clip, device) for place, clip in enumerate(self.test)]
        return Moments(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _of_clip(self, number: int, clip: LabeledClip, device: torch.device) -> Moments:
        video, seen = self._batch([clip], device)
        found, at = self.model(video, seen), grid(video.shape[1], self.config)
        scores = (found.logits[0].float().sigmoid() * found.seen[0, :, None]).cpu().numpy()
        order = np.argsort(-scores, axis=None, kind="stable")[:CANDIDATES]
        order = order[scores.ravel()[order] > LEAST_SCORE]
        place, label = np.unravel_index(order, scores.shape)
        reach = found.reach[0].float().cpu().numpy()[place]
        middle = at.middle.numpy()[place]
        edges = self.clips.pooled[clip.clip.uid].edges
        rows = np.stack([middle - reach[:, 0], middle + reach[:, 1]], 1)
        spans = np.interp(rows, np.arange(len(edges)), edges)
        kept: list[Moments] = []
        for one in np.unique(label):
            here = np.flatnonzero(label == one)
            chosen = soft_nms(spans[here], scores[place[here], one])
            which = here[chosen[:, 0].astype(int)]
            kept.append(Moments(np.full(len(which), number), label[which], spans[which], chosen[:, 1]))
        empty = Moments(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)), np.zeros(0))
        every = Moments(*(np.concatenate(part) for part in zip(empty, *kept, strict=True)))
        best = np.argsort(-every.score, kind="stable")[:MOST]
        return Moments(*(part[best] for part in every))

    def _batch(self, clips: Sequence[LabeledClip], device: torch.device) -> tuple[Tensor, Tensor]:
        video, seen = self.clips.batch([clip.clip.uid for clip in clips], device)
        more = -video.shape[1] % self.model.multiple
        return F.pad(video, (0, 0, 0, more)), F.pad(seen, (0, more))

    def _targets(self, clip: LabeledClip, at: object) -> tuple[Tensor, Tensor]:
        edges = self.clips.pooled[clip.clip.uid].edges
        rows = torch.from_numpy(np.interp(clip.spans, edges, np.arange(len(edges)))).float()
        which, reach = assign(at, rows, self.config.center_radius)
        numbers = torch.tensor([self.names.index(label) for label in clip.labels])
        return numbers[which.clamp(min=0)].masked_fill(which < 0, -1), reach


def moment_figures(found: Moments, true: Moments) -> dict[str, float]:
    """Return Ego4D's figures of MQ in percent: mAP by tIoU and its mean, recall at 1x and 5x by tIoU."""
    by_iou = moment_map(found, true)
    figures = {f"mAP@{iou:g}": value for iou, value in by_iou.items()}
    recall = {f"R{k}x@{iou:g}": value for (k, iou), value in moment_recall(found, true).items()}
    return figures | {"mAP": float(np.mean(list(by_iou.values())))} | recall
