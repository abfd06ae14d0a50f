"""An anchor-free detector of moments, of ActionFormer's kind (2202.07925): a pyramid, and at each place two heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egocurate.models.localization.config import DetectorConfig
from egocurate.models.localization.self_attention import SelfAttention
from egocurate.models.localization.vslnet import places

FIRST_BIAS = -4.6
"""logit of a label before anything is learned, 1 %: nearly all places show nothing (1708.02002)"""


class Found(NamedTuple):
    """What the places of all levels say: logits [B, A, C], rows to start and end [B, A, 2], which there are [B, A]."""

    logits: Tensor
    reach: Tensor
    seen: Tensor


class Grid(NamedTuple):
    """The places of all levels: their middle and stride in rows [A], and the range [A, 2] of ends that each is for."""

    middle: Tensor
    stride: Tensor
    ends: Tensor


class MomentDetector(nn.Module):
    """Features to moments: convolutions, then levels of attention to near places, each half as long as the last."""

    def __init__(self, config: DetectorConfig, video_width: int, labels: int) -> None:
        """Build it for features of a width, and so many labels."""
        super().__init__()
        width, self.config = config.width, config
        self.video_in = nn.ModuleList(nn.Conv1d(n, width, 3, padding=1) for n in (video_width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.stem = nn.ModuleList(_Block(config) for _ in range(config.blocks))
        self.levels = nn.ModuleList(_Block(config) for _ in range(config.levels - 1))
        self.label_head, self.reach_head = _head(width, labels), _head(width, 2)
        nn.init.constant_(self.label_head[-1].bias, FIRST_BIAS)
        self.scales = nn.Parameter(torch.ones(config.levels))

    @property
    def multiple(self) -> int:
        """What the length of a batch is a multiple of."""
        return 2 ** (self.config.levels - 1)

    def forward(self, video: Tensor, seen: Tensor) -> Found:
        """Return what is found in features video [B, N, D] with mask seen [B, N]; N is a multiple of `multiple`."""
        x, keep = video.transpose(1, 2), seen[:, None]
        for convolution, norm in zip(self.video_in, self.norms, strict=True):
            x = norm((convolution(x * keep)).transpose(1, 2)).relu().transpose(1, 2)
        x = x.transpose(1, 2) + places(seen.shape[1], x.shape[1], x.device)
        for block in self.stem:
            x = block(x, seen)
        parts = [self._heads(x, seen, 0)]
        for level, block in enumerate(self.levels, 1):
            x = F.max_pool1d((x * seen[..., None]).transpose(1, 2), 2).transpose(1, 2)
            seen = seen[:, ::2]
            x = block(x, seen)
            parts.append(self._heads(x, seen, level))
        return Found(*(torch.cat(each, 1) for each in zip(*parts, strict=True)))

    def _heads(self, x: Tensor, seen: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        x, keep = x.transpose(1, 2), seen[:, None]
        logits, reach = (last(relu(first(x * keep)) * keep) for first, relu, last in (self.label_head, self.reach_head))
        reach = F.softplus(reach * self.scales[level]) * 2**level
        return logits.transpose(1, 2), reach.transpose(1, 2), seen


def grid(length: int, config: DetectorConfig, device: torch.device | None = None) -> Grid:
    """Return the places of all levels for rows of a length."""
    parts = []
    for level in range(config.levels):
        stride = 2**level
        middle = (torch.arange(length // stride, device=device) + 0.5) * stride
        low = 0.0 if level == 0 else config.finest * 2 ** (level - 1)
        high = config.finest * stride if level < config.levels - 1 else float("inf")
        ends = torch.tensor([low, high], device=device).expand(len(middle), 2)
        parts.append((middle, torch.full_like(middle, stride), ends))
    return Grid(*(torch.cat(each) for each in zip(*parts, strict=True)))


def assign(at: Grid, spans: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Return which moment each place stands for, int64 [A], -1 for none, and its distances to the ends, [A, 2].

    spans: [M, 2] in rows. A place stands for the shortest moment that it is in, near the middle of (at most `radius`
    strides away), and whose farther end is in the range of its level (2202.07925, section 3.3).
    """
    reach = torch.stack([at.middle[:, None] - spans[:, 0], spans[:, 1] - at.middle[:, None]], -1)
    far = reach.amax(-1)
    near = (at.middle[:, None] - spans.mean(1)).abs() <= radius * at.stride[:, None]
    fits = (reach.amin(-1) > 0) & near & (far > at.ends[:, :1]) & (far <= at.ends[:, 1:])
    length = (spans[:, 1] - spans[:, 0]).expand_as(far).masked_fill(~fits, float("inf"))
    best, which = length.min(1)
    which = which.masked_fill(best.isinf(), -1)
    return which, reach[torch.arange(len(which)), which.clamp(min=0)]


def detection_loss(found: Found, labels: Tensor, reach: Tensor) -> dict[str, Tensor]:
    """Return the focal loss of labels and the IoU loss of ends, each by place that stands for a moment, and their sum.

    labels: int64 [B, A], -1 where a place stands for none; reach: [B, A, 2], its distances in rows.
    """
    stands = (labels >= 0) & found.seen
    count = stands.sum().clamp(min=1)
    target = F.one_hot(labels.clamp(min=0), found.logits.shape[-1]).float() * stands[..., None]
    each = F.binary_cross_entropy_with_logits(found.logits, target, reduction="none")
    p = found.logits.sigmoid()
    missed = torch.where(target > 0, 1 - p, p) ** 2
    weight = torch.where(target > 0, 0.25, 0.75)  # 1708.02002
    focal = (weight * missed * each * found.seen[..., None]).sum() / count
    ours, true = found.reach[stands], reach[stands]
    common, hull = torch.minimum(ours, true).sum(-1), torch.maximum(ours, true).sum(-1)
    middle = (ours[:, 1] - ours[:, 0] - true[:, 1] + true[:, 0]) / 2
    # Both hold the place, so the hull is their union; the distance of their middles is that of DIoU (1911.08287).
    ends = (1 - common / hull + (middle / hull) ** 2).sum() / count
    return {"loss": focal + ends, "labels": focal, "ends": ends}


class _Block(nn.Module):
    """Attention to the places in a window, and a feed-forward layer."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        width, self.window = config.width, config.window
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.along = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.attention = SelfAttention(width, config.heads)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        place = torch.arange(x.shape[1], device=x.device)
        near = (place[:, None] - place).abs() <= self.window // 2
        y = self.along((self.norms[0](x) * seen[..., None]).transpose(1, 2)).transpose(1, 2)
        # Each place sees itself: a row of the mask that is empty would give nan.
        mask = near & (seen[:, None] | torch.eye(len(place), dtype=torch.bool, device=x.device))
        x = x + self.dropout(self.attention(y, mask[:, None]))
        return x + self.dropout(self.feed(self.norms[1](x)))


def _head(width: int, out: int) -> nn.Sequential:
    layers = [nn.Conv1d(width, width, 3, padding=1), nn.ReLU(), nn.Conv1d(width, out, 3, padding=1)]
    return nn.Sequential(*layers)
