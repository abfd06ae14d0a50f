"""Clips decoded by a GPU's own engines: JPEG pictures by nvJPEG (torchvision), H.264 by NVDEC (torchcodec)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from egocurate.loaders.decode_clip import by_nvdec
from egocurate.loaders.decoding.device_decoder import DeviceDecoder
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_encoded import EncodedClip, decode_encoded, read_encoded
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.video.decoder_protocol import DecodeError, first_line

NVDEC_THREADS = 8
"""videos that are decoded at once: an H200 has seven engines"""


class GpuDecoder:
    """Decodes on a CUDA device, in the stream that is current."""

    def __init__(self, device: torch.device) -> None:
        """Load nothing yet: what is missing shows with the first clip."""
        self.device = device
        self._threads = ThreadPoolExecutor(NVDEC_THREADS, "nvdec")

    def decode(self, clips: Sequence[EncodedClip]) -> list[torch.Tensor | str]:
        """Return of each clip its frames on the device, or in a line why it does not decode there."""
        stream = torch.cuda.current_stream(self.device)
        videos = {row: self._threads.submit(self._video, clip, stream) for row, clip in enumerate(clips) if clip.is_mp4}
        stored = [row for row, clip in enumerate(clips) if not clip.is_mp4]
        found = dict(zip(stored, self._pictures([clips[row] for row in stored]), strict=True))
        found |= {row: video.result() for row, video in videos.items()}
        return [found[row] for row in range(len(clips))]

    def _video(self, clip: EncodedClip, stream: torch.cuda.Stream) -> torch.Tensor | str:
        with torch.cuda.device(self.device), torch.cuda.stream(stream):
            return by_nvdec(bytes(clip.files[0]), clip.indices, str(self.device))

    def _pictures(self, clips: list[EncodedClip]) -> list[torch.Tensor | str]:
        """Decode all pictures in one call; where one of them is broken, which ends the call, each clip in its own."""
        if not clips:
            return []
        together = by_nvjpeg([file for clip in clips for file in clip.files], self.device)
        if isinstance(together, str):
            return [together] if len(clips) == 1 else [self._pictures([clip])[0] for clip in clips]
        pictures, found = iter(together), []
        for clip in clips:
            own = [next(pictures) for _ in clip.files]
            found.append(_in_order(own, clip.indices))
        return found


def by_nvjpeg(files: Sequence[bytes | memoryview], device: torch.device) -> list[torch.Tensor] | str:
    """Return JPEG files as uint8 [3, H, W] each on a CUDA device, or in a line why not."""
    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    # torchvision of another torch raises RuntimeError, a missing shared library OSError.
    except (ImportError, OSError, RuntimeError) as error:
        gone = isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("torchvision")
        return "torchvision is not installed" if gone else f"torchvision: {first_line(error)}"
    # Copied where they are read-only, of which torch warns; else they are read where they lie.
    data = [torch.frombuffer(f if _is_writable(f) else bytearray(f), dtype=torch.uint8) for f in files]
    try:
        return decode_jpeg(data, mode=ImageReadMode.RGB, device=device)
    except torch.OutOfMemoryError:
        raise
    # AttributeError: a torchvision without its own library, or one built without nvJPEG.
    except (RuntimeError, AttributeError, ValueError) as error:
        return f"torchvision: {first_line(error)}"


def gpu_decoder(device: torch.device, indexes: Sequence[ShardIndex]) -> DeviceDecoder | str:
    """Return what decodes the clips of some folders on a device, or in a line what is missing for that.

    The first clip of each folder is decoded there: that a library loads does not say that it can.
    """
    if device.type != "cuda":
        return f"batches go to the {device.type}, not to a GPU"
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    decoder = GpuDecoder(device)
    for index in indexes:
        clip = read_encoded(index, 0, np.array([0]))
        if isinstance(clip, BadSample):
            continue
        (found,) = decoder.decode([clip])
        if isinstance(found, str) and _decodes_on_host(clip):
            return found
    return decoder


def _decodes_on_host(clip: EncodedClip) -> bool:
    try:
        decode_encoded(clip)
    except DecodeError:
        return False
    return True


def _in_order(pictures: list[torch.Tensor], indices: np.ndarray) -> torch.Tensor | str:
    """Return the pictures of the distinct frames, ascending, as the frames shown, [T, 3, H, W]."""
    if len({picture.shape for picture in pictures}) > 1:
        return "pictures of several sizes"
    place = np.unique(indices, return_inverse=True)[1]
    return torch.stack([pictures[number] for number in place])


def _is_writable(file: bytes | memoryview) -> bool:
    return isinstance(file, memoryview) and not file.readonly
