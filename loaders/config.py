"""Settings of a stream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from egocurate.errors import InputError
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.shards.video.decode import DECODERS
from egocurate.text_choices import CAPTION_CHOICES, FIRST, OWN_TAGS, TEXT_COLUMNS, TextForm, kind_weights

AUTO_WORKERS = -1
"""as many as `loaders.workers.choose_workers` finds"""


class FolderChoice(NamedTuple):
    """What is read of a folder: the form of its texts, the name of its tags ("": its own), which of its captions."""

    text: TextForm
    tags: str
    captions: str


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """What a training batch shows; raises InputError for a value that cannot work."""

    frames: int = 4
    """T, frames shown of a clip"""
    size: int = 224
    """S, pixels on a side"""
    seed: int = 0
    """of the order, the negatives, the frames and the crops"""
    negatives: bool = True
    """add to each anchor a hard negative"""
    pick: str = "segments-random"
    """which frames: a name of `loaders.frame_sampling.frame_sampler`"""
    text: TextForm = "normalized"
    """form of the narrations: normalized ("opens the fridge"), or raw, with marks ("#C C opens the fridge.")."""
    texts: tuple[TextForm, ...] = ()
    """form of the narrations of each folder, in their order, where they differ"""
    tags: tuple[str, ...] = ()
    """classes that `curate tag` has written: a name for all folders, or one for each; "own" are those of the index"""
    captions: str = FIRST
    """which of several captions of a clip, with its own tags: first; draw, any by its weight; or one of a kind: human,
    rephrased, narrator, caption (the first where a clip has none of that kind), or of several with weights:
    human:1+narrator:0.5"""
    folder_captions: tuple[str, ...] = ()
    """which captions of each folder, in their order, where they differ"""
    text_negatives: int = 0
    """how many texts that are wrong of it each clip brings, of those that `curate egoclip --text-negatives` has kept"""
    scale: tuple[float, float] = (0.5, 1.0)
    """range of the crop's share of the frame's area"""
    flip: bool = True
    """mirror half of the clips"""
    crop: Literal["host", "device"] = "host"
    """where clips are cropped and resized; "device" leaves it to `loaders.device.crop`, with the views in the batch"""
    decode: Literal["host", "device"] = "host"
    """where clips are decoded; "device" leaves decoding and cropping to the device that `loaders.prefetch` is given,
    if that is a GPU that can, and workers only read"""
    decoder: str = "auto"
    """what decodes mp4 clips: pyav, decord or torchcodec; auto takes the first that loads"""
    workers: int = 2
    """processes that decode, of each rank; 0 decodes in the trainer, -1 takes what its cores and memory allow"""
    max_bad: int = 100
    """how many samples may fail to decode, on a rank, before the run stops"""
    stall_sec: float = 120.0
    """after so long without a batch a warning says what each worker reads"""
    cache_dir: str | Path | None = None
    """folder for whole shards of a store, shared by the ranks of a machine; None reads each clip from the store"""
    cache_bytes: int = 64 * 10**9
    """how much the cache may hold; best all shards, or some 16 for each stream of `loaders.order.epoch_order`"""

    def of_source(self, number: int, sources: int) -> FolderChoice:
        """Return what is read of a folder, one of several.

        Raises InputError where there are not as many forms, names or choices as folders.
        """
        for name in ("texts", "tags", "folder_captions"):
            if len(getattr(self, name)) not in (0, 1, sources):
                raise InputError(
                    f"data.{name} has {len(getattr(self, name))} values for {sources} folders: give one for each, or "
                    "for all"
                )
        return self._choice(number)

    def _choice(self, number: int) -> FolderChoice:
        each = ((self.texts, self.text), (self.tags, ""), (self.folder_captions, self.captions))
        return FolderChoice(
            *(values[number if len(values) > 1 else 0] if values else default for values, default in each)
        )

    def __post_init__(self) -> None:
        frame_sampler(self.pick)
        if self.decoder not in ("auto", *DECODERS):
            raise InputError(f"no decoder is called {self.decoder!r}: take one of auto, {', '.join(DECODERS)}")
        for form in (self.text, *self.texts):
            if form not in TEXT_COLUMNS:
                raise InputError(f"text {form!r} is neither normalized nor raw")
        for choice in (self.captions, *self.folder_captions):
            check_captions(choice)
        for number in range(max(len(self.tags), len(self.folder_captions))):
            read = self._choice(number)
            if read.captions != FIRST and read.tags not in ("", OWN_TAGS):
                raise InputError(
                    "captions and tags: each caption has its own classes, which `curate tag` does not change"
                )
        for name, where in (("crop", self.crop), ("decode", self.decode)):
            if where not in ("host", "device"):
                raise InputError(f"{name} {where!r} is neither host nor device")
        if min(self.frames, self.size) < 1 or self.workers < AUTO_WORKERS or min(self.max_bad, self.text_negatives) < 0:
            raise InputError(
                f"frames {self.frames} and size {self.size} must be positive, max_bad {self.max_bad} and "
                f"text_negatives {self.text_negatives} not negative, "
                f"workers {self.workers} a number or -1 for as many as fit"
            )
        if min(self.stall_sec, self.cache_bytes) <= 0:
            raise InputError(f"stall_sec {self.stall_sec} and cache_bytes {self.cache_bytes} must be positive")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(f"scale {self.scale} is not a range within (0, 1]")


def check_captions(choice: str) -> None:
    """Raise InputError for a choice of captions that is none."""
    if choice == FIRST:
        return
    try:
        kind_weights(choice)
    except ValueError as error:
        raise InputError(
            f"captions {choice!r} is none of {', '.join(CAPTION_CHOICES)}, nor several kinds with weights, as "
            "human:1+narrator:0.5"
        ) from error
