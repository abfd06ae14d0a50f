"""The operations of RandAugment (1909.13719), on all frames of a clip alike: uint8 [T, 3, H, W] to the same.

Colors and histograms are those that Pillow's ImageOps and ImageEnhance give of each frame, at most a level apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GROUND = (124, 116, 104)
"""What is shown where a picture was moved away: ImageNet's mean color."""


def auto_contrast(frames: Tensor) -> Tensor:
    """Stretch each color of each frame to 0..255; one that is the same everywhere stays."""
    low, high = frames.amin((-2, -1), keepdim=True).float(), frames.amax((-2, -1), keepdim=True).float()
    stretched = (frames.float() - low) * (255 / (high - low).clamp(min=1))
    return torch.where(high > low, _levels(stretched), frames)


def equalize(frames: Tensor) -> Tensor:
    """Make the levels of each color of each frame about equally frequent."""
    flat = frames.flatten(-2).flatten(0, 1).long()  # [T * 3, H * W]
    counts = torch.zeros(len(flat), 256, dtype=torch.long, device=frames.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat))
    highest = counts.gather(1, flat.amax(1, keepdim=True))
    step = (flat.shape[1] - highest) // 255
    before = counts.cumsum(1) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    equal = torch.where(step > 0, table.gather(1, flat), flat)
    return equal.byte().reshape(frames.shape)


def invert(frames: Tensor) -> Tensor:
    """Return the negative."""
    return 255 - frames


def posterize(frames: Tensor, bits: int) -> Tensor:
    """Keep the highest bits of each level."""
    return frames & (256 - (1 << (8 - bits)))


def solarize(frames: Tensor, least: int) -> Tensor:
    """Invert the levels from `least` on."""
    return torch.where(frames >= least, 255 - frames, frames)


def solarize_add(frames: Tensor, more: int) -> Tensor:
    """Add to the darker half of the levels."""
    return torch.where(frames < 128, (frames.int() + more).clamp(max=255).byte(), frames)


def saturate(frames: Tensor, factor: float) -> Tensor:
    """Bring colors nearer to gray (factor < 1), or further from it."""
    return _blend(gray(frames), frames, factor)


def change_contrast(frames: Tensor, factor: float) -> Tensor:
    """Bring levels nearer to the frame's mean gray (factor < 1), or further from it."""
    mean = (gray(frames).float().mean((-3, -2, -1), keepdim=True) + 0.5).floor()
    return _blend(mean, frames, factor)


def brighten(frames: Tensor, factor: float) -> Tensor:
    """Multiply levels by a factor."""
    return _levels(frames.float() * factor)


def sharpen(frames: Tensor, factor: float) -> Tensor:
    """Bring pixels nearer to the mean of those about them (factor < 1), or further from it; the border stays."""
    kernel = torch.ones(1, 1, 3, 3, device=frames.device)
    kernel[..., 1, 1] = 5
    pixels = frames.flatten(0, 1)[:, None].float()
    smooth = frames.clone()
    inner = (F.conv2d(pixels, kernel / 13) + 0.5).floor().byte()
    smooth[..., 1:-1, 1:-1] = inner[:, 0].unflatten(0, frames.shape[:2])
    return _blend(smooth, frames, factor)


def warp(frames: Tensor, matrix: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Tensor:
    """Show at (x, y), pixels from the center, what is at matrix @ (x, y, 1): bilinear, the ground beyond the edges."""
    (a, b, c), (d, e, f) = matrix
    height, width = frames.shape[-2:]
    # Coordinates of affine_grid run from -1 to 1 over either side.
    scaled = torch.tensor([[[a, b * height / width, 2 * c / width], [d * width / height, e, 2 * f / height]]])
    grid = F.affine_grid(scaled, [1, 1, height, width], align_corners=False).to(frames.device)
    ground = torch.stack([torch.full((1, 1), float(level), device=frames.device) for level in GROUND])
    pixels = (frames.float() - ground).flatten(0, 1)[None]  # beyond the edges is 0
    moved = F.grid_sample(pixels, grid, align_corners=False)[0].unflatten(0, frames.shape[:2])
    return (moved + ground).round().clamp(0, 255).byte()


def gray(frames: Tensor) -> Tensor:
    """Return the luma of frames, uint8 [T, 1, H, W] (ITU-R 601-2, as Pillow rounds it)."""
    red, green, blue = frames.int().unbind(-3)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).byte()[..., None, :, :]


def _blend(one: Tensor, other: Tensor, factor: float) -> Tensor:
    """Return what lies on the line from one (factor 0) through the other (1)."""
    one = one.float()
    return _levels(one + factor * (other.float() - one))


def _levels(values: Tensor) -> Tensor:
    return values.clamp(0, 255).byte()
