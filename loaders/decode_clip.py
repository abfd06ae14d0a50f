"""Frames of a clip as a tensor, decoded on the host or by the GPU's own decoder (NVDEC)."""

import warnings

import numpy as np
import torch

from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample, read_frames
from egocurate.shards.video.decode import decode_frames, first_loading, frames_at, load
from egocurate.shards.video.decoder_protocol import first_line


def decode_clip(data: bytes, indices: np.ndarray, decoder: str = "auto", device: str = "cpu") -> torch.Tensor:
    """Return the frames at indices int64[T] of an mp4 as uint8 [T, 3, H, W], channels last in memory.

    With device="cuda" NVDEC decodes, by torchcodec, and the frames stay there; its colors may be some levels from the
    host's. A clip that it does not decode is decoded on the host, with a warning that says why. Raises as
    `egocurate.shards.video.decode.decode_frames`.
    """
    first_loading(decoder)  # one that does not load fails here, not with the first clip that the GPU cannot decode
    if torch.device(device).type != "cuda":
        return as_tensor(decode_frames(data, indices, decoder))
    frames = by_nvdec(data, indices, device)
    if isinstance(frames, torch.Tensor):
        return frames
    on_host = as_tensor(decode_frames(data, indices, decoder))
    warnings.warn(f"the GPU does not decode, the host does ({frames})", stacklevel=2)
    return on_host.to(device) if torch.cuda.is_available() else on_host


def read_clip(index: ShardIndex, sample: int, indices: np.ndarray, decoder: str = "auto") -> torch.Tensor | BadSample:
    """Return the frames at indices int64[T] of a sample as uint8 [T, 3, H, W], or why they cannot be had."""
    frames = read_frames(index, sample, indices, decoder)
    return frames if isinstance(frames, BadSample) else as_tensor(frames)


def as_tensor(frames: np.ndarray) -> torch.Tensor:
    """Return frames uint8 [T, H, W, 3] as a tensor [T, 3, H, W] in the same memory."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def by_nvdec(data: bytes, indices: np.ndarray, device: str) -> torch.Tensor | str:
    """Return the frames at indices int64[T] as uint8 [T, 3, H, W] on a GPU, or in a line why not."""
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    torchcodec = load("torchcodec")
    if torchcodec.frames is None:
        return f"torchcodec: {torchcodec.note}"
    from torchcodec.decoders import VideoDecoder

    def decode(distinct: list[int]) -> torch.Tensor:
        return VideoDecoder(data, dimension_order="NHWC", device=device).get_frames_at(distinct).data

    try:
        return frames_at(indices, decode).permute(0, 3, 1, 2)
    except (RuntimeError, ValueError, IndexError) as error:
        return f"torchcodec: {first_line(error)}"
