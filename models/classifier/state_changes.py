"""A classifier that tells of a window whether something changes in it, and at which of its frames."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.layers.configs import VideoConfig

KEYFRAME = "keyframe"
"""The kind of label whose classes are the frames of a window."""


class StateChangeClassifier(Classifier):
    """A `Classifier` whose keyframe is told by [CLS], as EgoVLP's release does, or by the frames' own tokens.

    With head=mean each frame gets a score from the mean of its tokens, by one linear layer for all frames.
    """

    def __init__(self, config: ClassifierConfig, classes: Mapping[str, int]) -> None:
        """Build for so many classes of each kind; raises ValueError for a backbone or a head that does not fit."""
        super().__init__(config, classes)
        if not isinstance(config.backbone, VideoConfig) or config.head == "map":
            raise ValueError(f"head={config.head}: state changes take cls or mean, on the tower of EgoVLP or EgoVLPv2")
        self.by_frame = config.head == "mean" and KEYFRAME in classes
        if self.by_frame:
            layer = nn.Linear(config.backbone.width, 1)
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
            self.scores[KEYFRAME] = layer

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Map normalized frames [B, T, 3, S, S] to logits [B, classes] of each kind, [B, T] of the keyframe."""
        if not self.by_frame:
            return super().forward(frames)
        tokens = self.tokens(frames)
        window = self.dropout(self.norm(tokens.mean(1)))
        each = self.dropout(self.norm(tokens[:, 1:].unflatten(1, (frames.shape[1], -1)).mean(2)))
        logits = {kind: layer(window) for kind, layer in self.scores.items() if kind != KEYFRAME}
        return logits | {KEYFRAME: self.scores[KEYFRAME](each).squeeze(2)}
