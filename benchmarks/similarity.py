"""How near pictures are to their source: structural similarity of the luma."""

from __future__ import annotations

import torch
import torch.nn.functional as F

RADIUS, SIGMA = 5, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(frames: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the luma float32 [T, 1, h, w] of uint8 frames [T, 3, H, W], scaled whole to (h, w)."""
    if frames.shape[-2:] != size:
        frames = F.interpolate(frames, size=size, mode="bilinear", antialias=True)
    return (frames.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def ssim(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the mean SSIM of two stacks of luma [T, 1, h, w] (Wang et al., IEEE TIP 13(4), 2004: Gaussian, 1.5 px)."""
    at = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()

    def blur(image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(image, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))

    mean1, mean2 = blur(first), blur(second)
    var1, var2 = blur(first**2) - mean1**2, blur(second**2) - mean2**2
    covariance = blur(first * second) - mean1 * mean2
    likeness = (2 * mean1 * mean2 + C1) * (2 * covariance + C2)
    return float((likeness / ((mean1**2 + mean2**2 + C1) * (var1 + var2 + C2))).mean())
