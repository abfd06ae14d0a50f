"""A classifier: a video tower that is tuned to the labels of the shards, or probed as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN, check_label_names
from egocurate.loaders import ShardIndex
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import normalize
from egocurate.models.classifier.layers import layers_above
from egocurate.models.classifier.model import Classifier
from egocurate.models.frozen.build import own_sizes
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.encoder import Encoder as FrozenEncoder
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.progress import Report
from egocurate.storage.json_notes import read_note
from egocurate.training.augment.augmentation import Augmentation
from egocurate.training.augment.mixing import neighbors
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_folders import LABEL_NAMES
from egocurate.training.systems.base import System, check_clips, frames_bytes, layer_bytes, tower_bytes
from egocurate.training.systems.frozen import frozen_bytes
from egocurate.training.systems.initial_weights import load_tower
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.classification import ClassificationEvaluator


class ClassifierSystem(System):
    """A backbone with a head for each kind of label; frozen, the head alone learns."""

    splits_by = "rows"
    network: type[Classifier] = Classifier
    new_parameters = ("scores.", "pool.", "norm.")

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build for the classes of the data, or of the run that is used; InputError for sizes that do not fit."""
        self.sizes, self.objective, self.size = config.model.backbone, config.objective, config.data.size
        _check_clips(config)
        names = names_of_run(Path(config.out)) if data is None else self.names_of_data(data.indexes, config)
        self.label_names = chosen_names(names, config.objective.labels, config.shards)
        try:
            model = self.network(config.model, {kind: len(classes) for kind, classes in self.label_names.items()})
        except ValueError as error:
            raise InputError(str(error)) from error
        self.rows_together = 2 if self.objective.mixup or self.objective.cutmix else 1
        self.model, drop_path = model.to(ranks.device), config.model.drop_path
        self.augmentation = Augmentation(self.objective, drop_path, self.sizes.depth if drop_path else 0)

    def names_of_data(self, indexes: Sequence[ShardIndex], config: TrainConfig) -> Mapping[str, list[str]]:
        """Return the classes, by kind of label, that the data have."""
        return indexes[0].label_names

    def load_initial_weights(self, config: TrainConfig) -> list[str]:
        """Load the backbone of a run or a release; the head is drawn. An encoder of transformers has its weights."""
        if isinstance(self.sizes, FrozenConfig):
            return [f"backbone from {self.sizes.source}, as it is"]
        if not config.start:
            if config.model.frozen:
                raise InputError(
                    "a frozen backbone learns nothing: name what it has learned, --set start=RUN or weights"
                )
            return []
        return [f"backbone from {config.start}: {load_tower(self.model.backbone, config.start)}"]

    def pixels(self, frames: Tensor) -> Tensor:
        """Return uint8 frames as the backbone has learned to see them: VideoPrism in [0, 1], the others normalized."""
        if isinstance(self.model.backbone, FrozenEncoder):
            return self.model.backbone.normalize(frames)
        return frames.float() / 255 if isinstance(self.sizes, EncoderConfig) else normalize(frames)

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the cross entropy of each kind of label, a mean over rows, and their sum.

        A row whose label is not known adds nothing, so that the mean over parts of a batch is that of the batch. Of
        mixed clips each label counts by its share, as cross entropy with a mixed target does.
        """
        shown = self.augmentation(batch, step_rng, self.pixels)
        logits = network(shown.pixels, shown.scales) if shown.scales is not None else network(shown.pixels)
        rows, parts = len(shown.pixels), {}
        for kind, scores in logits.items():
            labels = batch.labels[kind].repeat(self.objective.repeats)
            total = self._cross_entropy(scores, labels)
            if shown.mixing is not None:
                share = shown.mixing.share
                total = share * total + (1 - share) * self._cross_entropy(scores, neighbors(labels))
            parts[kind] = total / rows
        total = sum(parts.values())
        return {"loss": total, **(parts if len(parts) > 1 else {})}

    def _cross_entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.objective.smoothing
        return F.cross_entropy(scores.float(), labels, ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum")

    def layers_above(self, name: str) -> int:
        """Return how many layers are above a parameter: none above those of the head."""
        return layers_above(name, self.sizes)

    def logits(self, frames: Tensor) -> dict[str, Tensor]:
        """Map uint8 frames [B, T, 3, S, S] to logits [B, classes] of each kind of label."""
        return self.model(self.pixels(frames))

    def features(self, frames: Tensor) -> Tensor:
        """Return what the classes are read from [B, D]."""
        return self.model.features(self.pixels(frames))

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> ClassificationEvaluator:
        """Return the test on the labels of `test_shards`."""
        return ClassificationEvaluator(config, self, ranks, report)

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the backbone."""
        sizes = self.sizes
        if isinstance(sizes, FrozenConfig):
            return frozen_bytes(self.model.backbone.sizes, frames, self.size)
        if isinstance(sizes, VideoConfig):
            return tower_bytes(sizes, frames)
        tokens = frames // getattr(sizes, "tubelet", 1) * sizes.places
        scores = tokens * sizes.places * sizes.heads if isinstance(sizes, EncoderConfig) else 0
        return 2 * frames_bytes(frames, sizes.image) + layer_bytes(tokens, sizes.width, scores)


def _check_clips(config: TrainConfig) -> None:
    """Raise InputError for clips of another size or number of frames than the backbone takes."""
    sizes = config.model.backbone
    if isinstance(sizes, FrozenConfig):
        if not sizes.source:
            raise InputError("this recipe probes an encoder of others: name its folder, --set start=FOLDER")
        own_sizes(sizes)[0].check(config.data.size, config.data.frames)
        return
    most = sizes.max_frames if isinstance(sizes, VideoConfig) else sizes.frames
    check_clips(config, sizes.image, most, exactly=isinstance(sizes, VideoMAEConfig))


def chosen_names(names: Mapping[str, list[str]], kinds: Sequence[str], shards: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the kinds of labels that are learned, of all if none is named.

    Raises InputError for those that the data have not.
    """
    wanted = kinds or tuple(names)
    missing = [kind for kind in wanted if kind not in names]
    if missing or not wanted:
        there = ", ".join(names) or "none; cut them with `curate segments --csv`"
        raise InputError(f"{', '.join(shards)}: no label {', '.join(missing) or 'at all'}: there are {there}")
    return {kind: list(names[kind]) for kind in wanted}


def names_of_run(out: Path) -> dict[str, list[str]]:
    """Return the classes that a run has learned, by kind; raises InputError for a folder that lacks them."""
    whole = "take the folder of the run as it was written"
    if not (out / LABEL_NAMES).is_file():
        raise InputError(f"{out / LABEL_NAMES}: there is no such file; {whole}")
    try:
        return check_label_names(read_note(out / LABEL_NAMES, dict, whole))
    except ValueError as error:
        raise InputError(f"{out / LABEL_NAMES}: {error}; {whole}") from error
