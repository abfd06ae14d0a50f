"""Ego4D's state changes: is there one in a window (OSCC), and at which of its frames (PNR)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN
from egocurate.loaders import ShardIndex
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import to_device
from egocurate.models.classifier.state_changes import KEYFRAME, StateChangeClassifier
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.classifier import ClassifierSystem
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.state_changes import CHANGE, StateChangeEvaluator, windows_of


class StateChangeSystem(ClassifierSystem):
    """A classifier of two questions: `state_change` of two classes, and `keyframe`, one class for each frame.

    As EgoVLP's release has them, each is a linear layer on [CLS] (2206.01670, section 6.2); with model.head=mean each
    frame is scored by its own tokens. `objective.labels` says which is asked; both are learned by the sum of their
    losses. A window without a change has no keyframe.
    """

    network = StateChangeClassifier

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build for the frames of a window; raises InputError for sizes that do not fit, and other shards."""
        super().__init__(config, data, ranks)
        self._keyframes = [keyframes(index, config.data.frames) for index in data.indexes] if data else None

    def names_of_data(self, indexes: Sequence[ShardIndex], config: TrainConfig) -> Mapping[str, list[str]]:
        """Return the classes of both questions; raises InputError for shards without `state_change`."""
        if any(CHANGE not in index.label_names for index in indexes):
            raise InputError(
                f"{', '.join(config.shards)}: no label {CHANGE}; cut fho_oscc-pnr_train.json with "
                "`curate segments --annotations`"
            )
        return {
            CHANGE: indexes[0].label_names[CHANGE],
            KEYFRAME: [str(frame) for frame in range(config.data.frames)],
        }

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the cross entropy of each question, a mean over rows, and their sum."""
        if self._keyframes is not None and KEYFRAME in self.label_names:
            rows = zip(batch.source.tolist(), batch.sample.tolist(), strict=True)
            frames = torch.tensor([int(self._keyframes[source][sample]) for source, sample in rows])
            batch = replace(batch, labels=batch.labels | {KEYFRAME: to_device(frames, batch.frames.device)})
        return super().losses(network, batch, step_rng)

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> StateChangeEvaluator:
        """Return the test on the windows of `test_shards`."""
        return StateChangeEvaluator(config, self, ranks, report)


def keyframes(index: ShardIndex, frames: int) -> np.ndarray:
    """Return the frame of each window, of so many, whose second is nearest to its point of no return; -1 without one.

    Frame f of F stands for f / F of the way through the window, as Ego4D's evaluation reads it.
    """
    windows = windows_of(index, range(len(index)))
    share = (windows.change_sec - windows.start_sec) / (windows.end_sec - windows.start_sec)
    has_one = ~np.isnan(share)
    nearest = np.clip(np.floor(np.where(has_one, share, 0) * frames + 0.5), 0, frames - 1)
    return np.where(has_one, nearest, UNKNOWN).astype(np.int64)
