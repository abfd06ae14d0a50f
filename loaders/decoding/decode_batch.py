"""A batch's files become its frames, where the trainer is: decode, crop, resize, mirror; what fails, as on the host."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from egocurate.errors import StoreError
from egocurate.loaders.batch import Batch
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import View, crop_and_resize
from egocurate.loaders.decoding.device_decoder import DeviceDecoder
from egocurate.loaders.device import crop
from egocurate.loaders.mixed_dataset import BatchRequest, MixedDataset
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_encoded import EncodedClip
from egocurate.shards.read.read_frames import BadSample

AT_ONCE_BYTES = 128 * 2**20
"""decoded frames, as stored, that are there at once; while they are resized some eight times as much"""

log = logging.getLogger(__name__)


class BatchDecoding:
    """Decodes batches whose clips are still files."""

    def __init__(self, decoder: DeviceDecoder, indexes: Sequence[ShardIndex], config: StreamConfig) -> None:
        """Decode by a decoder; what it cannot is read anew from the indexes, as the host shows it."""
        self._decoder, self._size = decoder, config.size
        self._on_host = MixedDataset(indexes, replace(config, decode="host", crop="host", workers=0))
        self._told = False

    def __call__(self, batch: Batch) -> tuple[Batch | StoreError | None, list[BadSample]]:
        """Return the batch with frames, on the decoder's device, or what ends the run; and all that is bad.

        What becomes of a clip that does not decode is decided as it is on the host, by the host: its anchor's row, and
        that of the negative, are read anew there.
        """
        clips, views = batch.encoded.clips(), batch.views
        frames = self._blank(batch)
        failed: dict[int, str] = {}
        for rows in at_once(clips):
            pictures: dict[int, torch.Tensor] = {}
            for row, found in zip(rows, self._decoder.decode([clips[row] for row in rows]), strict=True):
                if isinstance(found, str):
                    failed[row] = found
                elif tuple(found.shape[-2:]) != clips[row].size:
                    failed[row] = f"frames of {tuple(found.shape[-2:])}, its header says {clips[row].size}"
                else:
                    pictures[row] = found
            for same in _of_one_size(pictures):
                self._show(torch.stack([pictures[row] for row in same]), views[same], frames, same)
        whole = replace(batch, frames=frames, views=None, encoded=None)
        return self._read_anew(whole, batch.encoded.anchors, failed) if failed else (whole, [])

    def _blank(self, batch: Batch) -> torch.Tensor:
        shape = (len(batch), batch.encoded.indices.shape[1], self._size, self._size, 3)
        return torch.empty(shape, dtype=torch.uint8, device=self._decoder.device).movedim(-1, -3)

    def _show(self, pictures: torch.Tensor, views: torch.Tensor, frames: torch.Tensor, rows: list[int]) -> None:
        """Write what is to be seen of pictures uint8 [K, T, 3, H, W] to some rows of frames."""
        if pictures.device.type != "cpu":
            for row, shown in zip(rows, crop(pictures, views, self._size), strict=True):
                frames[row] = shown
            return
        for row, picture, view in zip(rows, pictures, views.tolist(), strict=True):
            frames[row] = crop_and_resize(picture, View(*view), self._size)

    def _read_anew(
        self, batch: Batch, anchors: Sequence[tuple[int, int, int]], failed: dict[int, str]
    ) -> tuple[Batch | StoreError | None, list[BadSample]]:
        if not self._told:
            log.warning("what the device does not decode, the host does (%s)", next(iter(failed.values())))
            self._told = True
        places = sorted({row % len(anchors) for row in failed})
        request = BatchRequest(None, [anchors[place] for place in places])
        found, bad = self._on_host.collate(self._on_host.__getitems__(request))
        if not isinstance(found, Batch):
            return found, bad
        rows = [start + place for start in range(0, len(batch), len(anchors)) for place in places]
        return _with_rows(batch, rows, found), bad


def at_once(clips: Sequence[EncodedClip], most_bytes: int = AT_ONCE_BYTES) -> Iterator[list[int]]:
    """Yield the rows of clips in turn, as many together as have so many bytes of frames; one at least."""
    rows: list[int] = []
    held = 0
    for row, clip in enumerate(clips):
        size = len(clip.indices) * clip.size[0] * clip.size[1] * 3
        if rows and held + size > most_bytes:
            yield rows
            rows, held = [], 0
        rows.append(row)
        held += size
    if rows:
        yield rows


def _of_one_size(pictures: dict[int, torch.Tensor]) -> Iterator[list[int]]:
    sizes: dict[torch.Size, list[int]] = {}
    for row, picture in pictures.items():
        sizes.setdefault(picture.shape, []).append(row)
    yield from sizes.values()


def _with_rows(batch: Batch, rows: list[int], found: Batch) -> Batch:
    """Return the batch with others in some rows."""
    texts = list(batch.texts)
    for row, text in zip(rows, found.texts, strict=True):
        texts[row] = text
    changed = {"texts": texts}
    for name in ("frames", "verbs", "nouns", "valid", "sample", "source"):
        value = getattr(batch, name).clone()
        value[rows] = getattr(found, name).to(value.device)
        changed[name] = value
    return replace(batch, **changed)
