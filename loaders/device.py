"""From host memory to the accelerator, one batch ahead, and from bytes to numbers there."""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar, runtime_checkable

import torch

from egocurate.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Movable(Protocol):
    """What `prefetch` moves; `loaders.batch.Batch` is one."""

    def to(self, device: torch.device) -> "Movable": ...
    def record_stream(self, stream: torch.cuda.Stream) -> None: ...


Item = TypeVar("Item", bound=Movable)
Moved = TypeVar("Moved")


@runtime_checkable
class Counted(Protocol):
    """An iterator whose saved state counts what reached the user, not what was taken ahead of need."""

    def pull(self) -> Movable:
        """Return the next item uncounted; raises StopIteration at the end."""
        ...

    def handed(self) -> None:
        """Count one pulled item as handed to the user."""
        ...


@runtime_checkable
class Encoded(Counted, Protocol):
    """Counted items that may come as their files, to be decoded where they go."""

    def decode_on(self, device: torch.device) -> None:
        """Say where the items go."""
        ...

    def pull_encoded(self) -> Movable:
        """Return the next item uncounted, for `decode`; raises StopIteration at the end."""
        ...

    def decode(self, item: Movable) -> Movable:
        """Return the item whole."""
        ...


def prefetch(batches: Iterable[Item], device: torch.device | str) -> Iterator[Item]:
    """Yield the batches on the device; on CUDA the next one is copied on a stream of its own while one is in use.

    The step in a `loaders.clip_stream.Stream`'s state counts a batch when it is yielded here. Page-locked batches copy
    beside the host, others hold it up. Raises InputError for a GPU that is not there.
    """
    device = torch.device(device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        seen = f"{torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "no GPU"
        raise InputError(f"batches cannot go to {device}: torch sees {seen}; take cpu, or a torch built for CUDA")
    return _prefetch(batches, device)


def _prefetch(batches: Iterable[Item], device: torch.device) -> Iterator[Item]:
    source = iter(batches)
    if device.type == "cuda" and device.index is None:  # the one of this thread, which others have not
        device = torch.device("cuda", torch.cuda.current_device())
    if isinstance(source, Encoded):
        source.decode_on(device)
    if device.type != "cuda":
        while (upcoming := _pulled(source)) is not None:
            batch = _decoded(source, upcoming).to(device)
            _count(source)
            yield batch
        return
    copies = torch.cuda.Stream(device)

    def move(batch: Item) -> tuple[Item, torch.cuda.Event]:
        with torch.cuda.device(device), torch.cuda.stream(copies):
            return _decoded(source, batch).to(device), copies.record_event()

    for batch, moved in one_ahead(source, move):
        current = torch.cuda.current_stream(device)
        current.wait_event(moved)
        batch.record_stream(current)
        _count(source)
        yield batch


def one_ahead(source: Iterator[Item], move: Callable[[Item], Moved]) -> Iterator[Moved]:
    """Yield the items moved, the next one being moved by a thread while one is in use.

    Decoding takes the host a while, and the trainer has work to give to the device meanwhile.
    """
    with ThreadPoolExecutor(1, "prefetch") as thread:
        pulled = _pulled(source)
        moving = None if pulled is None else thread.submit(move, pulled)
        while moving is not None:
            batch = moving.result()
            pulled = _pulled(source)
            moving = None if pulled is None else thread.submit(move, pulled)
            yield batch


def _pulled(source: Iterator[Item]) -> Item | None:
    """Return the next item, uncounted and perhaps not decoded; None at the end."""
    try:
        if isinstance(source, Encoded):
            return source.pull_encoded()
        return source.pull() if isinstance(source, Counted) else next(source)
    except StopIteration:
        return None


def _decoded(source: Iterator[Item], item: Item) -> Item:
    return source.decode(item) if isinstance(source, Encoded) else item


def _count(source: Iterator[Item]) -> None:
    if isinstance(source, Counted):
        source.handed()


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor of the host to a device; to an accelerator without waiting for what it has still to do.

    A copy from ordinary memory waits until it has happened, one from page-locked memory does not, and PyTorch keeps
    that memory until then.
    """
    if device.type == "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def crop(frames: torch.Tensor, views: torch.Tensor, size: int) -> torch.Tensor:
    """Return the views of frames uint8 [M, T, 3, H, W], resized, as uint8 [M, T, 3, size, size], on their device.

    Views are a `Batch`'s: int64 [M, 5]. The pixels are those of `loaders.crops.crop_and_resize`, to the bit, whatever
    the device and however the batch is divided: PyTorch resizes bytes by whole numbers, and here they are the same.
    """
    clips, count, colors, height, width = frames.shape
    top, left, view_height, view_width, flip = views.to(frames.device).unbind(1)
    across, across_bits = _resizing(left, view_width, width, size)
    across = torch.where(flip.bool()[:, None, None], across.flip(1), across)
    down, down_bits = _resizing(top, view_height, height, size)
    shown = torch.empty(clips, count, size, size, colors, dtype=torch.uint8, device=frames.device)
    for number in range(count):  # a frame of each clip at a time: as numbers they take many times the memory of bytes
        rows = frames[:, number].permute(0, 3, 1, 2).reshape(clips, width, colors * height)
        narrow = _weighted(across, rows, across_bits).view(clips, size, colors, height)
        columns = narrow.permute(0, 3, 2, 1).reshape(clips, height, colors * size)
        resized = _weighted(down, columns, down_bits).view(clips, size, colors, size)
        shown[:, number] = resized.permute(0, 1, 3, 2)
    return shown.movedim(-1, -3)


def _weighted(weights: torch.Tensor, levels: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Return levels uint8 [M, pixels, n] weighted by int32 [M, size, pixels] over 2 ** bits[M], as uint8 [M, size, n].

    Exact by matrix products of any precision that holds a byte and adds in float32 (TF32 among them): weights are taken
    apart into high and low bytes, and no sum passes 2 ** 24.
    """
    with torch.autocast(weights.device.type, enabled=False):
        parts = torch.cat([weights >> 8, weights & 255], dim=1).float() @ levels.float()
    high, low = parts.int().chunk(2, dim=1)
    total = (high << 8) + low
    bits = bits[:, None, None]
    return ((total + (1 << (bits - 1))) >> bits).clamp(0, 255).byte()


def _resizing(start: torch.Tensor, length: torch.Tensor, pixels: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return int32 [M, size, pixels] and int32 [M]: weights, times 2 ** bits, that bring start .. + length to `size`.

    start and length: int64 [M]. A triangle as wide as two target pixels, or two source pixels if those are larger,
    about each target's center; as many bits as the largest weight of a view has room for in 15, as in PyTorch's kernel.
    """
    step = (length.double() / size)[:, None]
    reach = step.clamp(min=1)
    center = step * (torch.arange(size, device=start.device) + 0.5)
    first = (center - reach + 0.5).long().clamp(min=0)
    count = torch.minimum((center + reach + 0.5).long(), length[:, None]) - first
    taps = 2 * math.ceil(max(1, pixels / size)) + 1
    place = first[..., None] + torch.arange(taps, device=start.device)
    weight = (1 - ((place - center[..., None] + 0.5) * (1 / reach)[..., None]).abs()).clamp(min=0)
    weight = torch.where(place - first[..., None] < count[..., None], weight, 0)
    weight = weight / weight.sum(dim=2, keepdim=True)
    largest = weight.amax(dim=(1, 2))
    powers = 2.0 ** torch.arange(1, 23, device=start.device)
    bits = ((largest[:, None] * powers + 0.5).floor() < 1 << 15).sum(dim=1).int()
    whole = (weight * 2.0 ** bits[:, None, None] + 0.5).floor().int()
    dense = torch.zeros(len(start), size, pixels, dtype=torch.int32, device=start.device)
    return dense.scatter_add_(2, (place + start[:, None, None]).clamp(max=pixels - 1), whole), bits


def normalize(frames: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return uint8 frames [..., 3, H, W] as floats: less ImageNet's mean, divided by its deviation, on their device."""
    mean, std = (_colors(values, frames.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (frames.float() - mean).div_(std).to(dtype)


def _colors(values: tuple[float, float, float], device: torch.device) -> torch.Tensor:
    """Return float32 [3, 1, 1] of values in [0, 1] as levels, filled there: copies would be waited for."""
    return torch.stack([torch.full((1, 1), value, device=device) for value in values]).mul_(255)
