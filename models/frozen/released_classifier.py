"""VideoMAE fine-tuned to classify, in the release's names or in transformers': features, and logits of its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL
from egocurate.models.frozen.encoder import IMAGENET_PIXELS, Encoder, Sizes
from egocurate.models.released_names import count_layers
from egocurate.models.videomae.config import VideoMAEConfig

_HUGE, _HEAD = VideoMAEConfig.huge(), 64  # channels of a head in all other sizes
_PATCHES = ("patch_embed.proj.weight", "videomae.embeddings.patch_embeddings.projection.weight")
_CLASSES = ("head.weight", "classifier.weight")
_PUBLISHED = VideoMAEConfig.base()  # whose frames and pixels all sizes have


class ReleasedClassifier(Encoder):
    """A clip's embedding is the mean of its tokens after fc_norm, which the linear map to classes reads."""

    def __init__(self, shapes: Mapping[str, Sequence[int]], size: int, frames: int) -> None:
        """Build the model in the sizes of its tensors, for so many frames of so many pixels."""
        super().__init__()
        self.sizes = read_classifier_sizes(shapes)
        self.sizes.check(size, frames)
        config = ClassifierConfig(read_encoder_sizes(shapes, size, frames))
        self.classifier = Classifier(config, {LABEL: _shape(_CLASSES, shapes)[0]})
        self.look_through(IMAGENET_PIXELS)

    def embed(self, clips: Tensor) -> Tensor:
        """Embed normalized clips [B, T, 3, S, S] as [B, width]."""
        return self.classifier.features(clips)

    def logits(self, clips: Tensor) -> Tensor:
        """Map normalized clips [B, T, 3, S, S] to the logits of the classes it was tuned to, [B, classes]."""
        return self.classifier(clips)[LABEL]


def read_classifier_sizes(shapes: Mapping[str, Sequence[int]]) -> Sizes:
    """Return what a classifier takes and gives; KeyError or ValueError for shapes of another model."""
    width, _, tubelet, patch, _ = _shape(_PATCHES, shapes)
    return Sizes(_PUBLISHED.image, patch, width, width, _PUBLISHED.frames, tubelet)


def read_encoder_sizes(shapes: Mapping[str, Sequence[int]], size: int = 0, frames: int = 0) -> VideoMAEConfig:
    """Return the sizes of a classifier's encoder, for clips of so many frames and pixels, the published ones if 0."""
    sizes = read_classifier_sizes(shapes)
    return VideoMAEConfig(
        image=size or sizes.image,
        patch=sizes.patch,
        frames=frames or sizes.frames,
        tubelet=sizes.tubelet,
        width=sizes.width,
        depth=count_layers(r"(?:encoder\.|videomae\.encoder\.)?(?:blocks|layer)", shapes),
        heads=_HUGE.heads if sizes.width == _HUGE.width else max(1, sizes.width // _HEAD),
    )


def _shape(names: Sequence[str], shapes: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """Return the shape of the tensor that has one of these names; KeyError if none has."""
    return shapes[next((name for name in names if name in shapes), names[0])]
