"""A batch: what the trainer gets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace

import numpy as np
import torch

from egocurate.labels import UNKNOWN
from egocurate.loaders.crops import View
from egocurate.loaders.decoding.encoded_frames import EncodedFrames, encoded_frames, shareable
from egocurate.shards.read.read_encoded import EncodedClip


@dataclass(frozen=True)
class Clip:
    """One clip as a model sees it: frames uint8 [T, 3, S, S], its text, classes and sample id.

    With a view the frames are as stored, [T, 3, H, W], or the files of them, and still to be cropped to it. With
    `repeats`, int64[T], they are only those that differ, and it says which is shown at each place.
    """

    frames: torch.Tensor | EncodedClip
    text: str
    verbs: Sequence[int]
    nouns: Sequence[int]
    sample: int
    view: View | None = None
    source: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    repeats: np.ndarray | None = None
    text_negatives: Sequence[str] | None = None

    @property
    def frame_count(self) -> int:
        """Return T."""
        return len(self.frames if self.repeats is None else self.repeats)


_ON_HOST = ("sample", "source", "host_valid")


@dataclass(frozen=True, repr=False)
class Batch:
    """M clips: N anchors, then, where the stream has negatives, the N hard negatives of the same anchors (M = 2N)."""

    frames: torch.Tensor
    """uint8 [M, T, 3, S, S], channels last in memory"""
    texts: list[str]
    """M narrations, in the form that the stream was asked for"""
    verbs: torch.Tensor
    """bool [M, num_verbs]: the verb classes of each clip"""
    nouns: torch.Tensor
    """bool [M, num_nouns]"""
    valid: torch.Tensor
    """bool [M]: False where an anchor has no negative and stands in for it itself"""
    sample: torch.Tensor
    """int64 [M]: ids of the clips shown (rows of index.parquet); stays on the host, which draws by it"""
    source: torch.Tensor
    """int64 [M]: which of the stream's folders each clip is from, 0 the first; stays on the host"""
    views: torch.Tensor | None = None
    """int64 [M, 5], if `loaders.device.crop` has yet to crop the frames: top, left, height, width, flip of each clip.

    The frames are then [M, T, 3, H, W] as stored, zero to the right and below where another clip is larger.
    """
    host_valid: torch.Tensor | None = None
    """`valid` on the host, if the batch has been moved from there"""
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    """int64 [M] of each kind of label that the shards have: class numbers, -1 where it is not known"""
    encoded: EncodedFrames | None = None
    """the files of the frames on their way to a device that decodes them; until then frames are [M, T, 3, 0, 0]"""
    text_negatives: list[list[str]] | None = None
    """of each clip up to so many texts that are wrong of it as the stream was asked for; None if for none"""

    def __len__(self) -> int:
        """Return M."""
        return len(self.texts)

    def __repr__(self) -> str:
        """Show shapes instead of values."""
        shapes = (
            f"{name}={str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
            for name, tensor in self._tensors().items()
            if name != "host_valid"
        )
        labels = f"labels=int64[{len(self)}] of {', '.join(self.labels)}, " if self.labels else ""
        wrong = f"text_negatives=str[{len(self)}, ...], " if self.text_negatives is not None else ""
        return f"Batch({', '.join(shapes)}, {labels}texts=str[{len(self)}], {wrong}device={self.frames.device})"

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on a device; the copy from pinned memory runs beside the host."""
        moved = {name: t.to(device, non_blocking=True) for name, t in self._moving().items()}
        labels = {kind: t.to(device, non_blocking=True) for kind, t in self.labels.items()}
        return replace(self, **moved, labels=labels, host_valid=self.valid_on_host())

    def valid_on_host(self) -> torch.Tensor:
        """Return `valid` without asking the device for it."""
        return self.valid if self.host_valid is None else self.host_valid

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory (PyTorch's DataLoader calls this)."""
        labels = {kind: t.pin_memory() for kind, t in self.labels.items()}
        encoded = self.encoded and self.encoded.pin_memory()
        pinned = {name: t.pin_memory() for name, t in self._tensors().items()}
        return replace(self, **pinned, labels=labels, encoded=encoded)

    def record_stream(self, stream: torch.cuda.Stream) -> None:
        """Tell the allocator that the stream works on the tensors, so that it does not hand out their memory early."""
        for tensor in (*self._moving().values(), *self.labels.values()):
            tensor.record_stream(stream)

    def _moving(self) -> dict[str, torch.Tensor]:
        return {name: tensor for name, tensor in self._tensors().items() if name not in _ON_HOST}

    def _tensors(self) -> dict[str, torch.Tensor]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def collate(
    anchors: Sequence[Clip],
    negatives: Sequence[Clip | None] | None,
    num_verbs: int,
    num_nouns: int,
    into: torch.Tensor | None = None,
    labels: Sequence[str] = (),
) -> Batch:
    """Return the batch of N anchors, or of 2N rows if negatives are given: None stands for an anchor that has none.

    into: uint8 [M, T, S, S, 3] for the frames to be written to; else they get memory of their own. labels: the kinds
    that the batch has, -1 for a clip that has none.
    """
    clips = list(anchors)
    valid = [True] * len(clips)
    if negatives is not None:
        clips += [anchor if clip is None else clip for anchor, clip in zip(anchors, negatives, strict=True)]
        valid += [clip is not None for clip in negatives]
    encoded = None
    if isinstance(clips[0].frames, EncodedClip):
        encoded = encoded_frames([clip.frames for clip in clips])
        frames = torch.empty((*encoded.indices.shape, 3, 0, 0), dtype=torch.uint8)
    else:
        frames = _stacked(clips, into)
    return Batch(
        frames=frames,
        texts=[clip.text for clip in clips],
        verbs=multi_hot([clip.verbs for clip in clips], num_verbs),
        nouns=multi_hot([clip.nouns for clip in clips], num_nouns),
        valid=torch.tensor(valid),
        sample=torch.tensor([clip.sample for clip in clips], dtype=torch.int64),
        source=torch.tensor([clip.source for clip in clips], dtype=torch.int64),
        views=torch.tensor([astuple(clip.view) for clip in clips]) if all(clip.view for clip in clips) else None,
        labels={kind: torch.tensor([clip.labels.get(kind, UNKNOWN) for clip in clips]) for kind in labels},
        encoded=encoded,
        text_negatives=None if clips[0].text_negatives is None else [list(clip.text_negatives) for clip in clips],
    )


def _stacked(clips: list[Clip], into: torch.Tensor | None) -> torch.Tensor:
    """Return the frames of clips, uint8 [T, 3, h, w] each, as one tensor [M, T, 3, H, W], in its upper left corner.

    Channels are last in memory, as decoders give them: turning them costs more than copying them.
    """
    count, channels = clips[0].frame_count, clips[0].frames.shape[1]
    height, width = (max(clip.frames.shape[side] for clip in clips) for side in (2, 3))
    stacked = (_empty((len(clips), count, height, width, channels)) if into is None else into).movedim(-1, -3)
    if len({clip.frames.shape[2:] for clip in clips}) > 1:
        stacked.zero_()
    for place, clip in zip(stacked, clips, strict=True):
        corner = place[..., : clip.frames.shape[2], : clip.frames.shape[3]]
        if clip.repeats is None:
            corner.copy_(clip.frames)
            continue
        for number, frame in enumerate(clip.repeats.tolist()):
            corner[number] = clip.frames[frame]
    return stacked


def _empty(shape: tuple[int, ...]) -> torch.Tensor:
    """Return a new uint8 tensor; in a worker it lies where the trainer will see it, or sending it would copy it."""
    return shareable(math.prod(shape)).view(shape)


def multi_hot(classes: Sequence[Sequence[int]], size: int) -> torch.Tensor:
    """Return bool [len(classes), size], True at the classes of each row."""
    mask = np.zeros((len(classes), size), dtype=bool)
    for row, indices in enumerate(classes):
        mask[row, np.asarray(indices, dtype=np.int64)] = True
    return torch.from_numpy(mask)
