"""VSLNet (2004.13931): which stretch of a video answers a sentence, as a span of its positions."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egocurate.models.localization.config import VSLNetConfig
from egocurate.models.localization.self_attention import SelfAttention

OUT_OF_SIGHT = -1e4
"""logit of a position behind the end of its row"""


class SpanLogits(NamedTuple):
    """Logits [B, P] of each position to be in the highlighted stretch, to be the first of the answer, the last."""

    highlight: Tensor
    start: Tensor
    end: Tensor


class VSLNet(nn.Module):
    """Video and sentence in one encoder, attention between them, a highlighted stretch, and the ends of a span."""

    def __init__(self, config: VSLNetConfig, video_width: int, text_width: int) -> None:
        """Build it for features of these widths."""
        super().__init__()
        width, self.config = config.width, config
        self.video_in = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(video_width, width))
        self.text_in = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(text_width, width))
        self.encoder = _Encoder(config)
        self.attention = _ContextQuery(config)
        self.sentence = nn.Linear(width, 1, bias=False)
        self.with_sentence = nn.Linear(2 * width, width)
        self.highlight = nn.Linear(width, 1)
        self.start_encoder = _Encoder(config)
        self.end_encoder = _Encoder(config)
        self.start_head, self.end_head = (_head(2 * width, width) for _ in range(2))

    def forward(
        self, video: Tensor, seen: Tensor, text: Tensor, said: Tensor, added: Tensor | None = None
    ) -> SpanLogits:
        """Return logits [B, P] of features video [B, P, Dv] and words text [B, L, Dt]; masks seen and said are bool.

        added: [B, P, width], what else is known of each position.
        """
        v = self.video_in(video)
        v = self.encoder(v if added is None else v + added, seen)
        q = self.encoder(self.text_in(text), said)
        v = self.attention(v, seen, q, said)
        weight = self.sentence(q).masked_fill(~said[..., None], OUT_OF_SIGHT).softmax(1)
        pooled = (weight * q).sum(1, keepdim=True).expand_as(v)
        v = self.with_sentence(torch.cat([v, pooled], -1))
        highlight = self.highlight(v)
        v = v * highlight.sigmoid()
        start = self.start_encoder(v, seen)
        end = self.end_encoder(start, seen)
        ends = [head(torch.cat([h, v], -1)) for head, h in ((self.start_head, start), (self.end_head, end))]
        return SpanLogits(*(logits[..., 0].masked_fill(~seen, OUT_OF_SIGHT) for logits in (highlight, *ends)))


def span_loss(logits: SpanLogits, spans: Tensor, seen: Tensor, config: VSLNetConfig) -> dict[str, Tensor]:
    """Return the losses of spans int64 [B, 2], first and last position of each answer (2004.13931, sections 3.2, 3.3).

    "loss" is the mean cross-entropy of both ends and `highlight_weight` times that of the highlighted stretch.
    """
    first, last = spans.T
    ends = (F.cross_entropy(logits.start, first) + F.cross_entropy(logits.end, last)) / 2
    reach = (config.extend * (last - first + 1)).round()
    place = torch.arange(seen.shape[1], device=seen.device)
    inside = (place >= (first - reach)[:, None]) & (place <= (last + reach)[:, None])
    each = F.binary_cross_entropy_with_logits(logits.highlight, inside.float(), reduction="none")
    highlight = (each * seen).sum() / seen.sum()
    return {"loss": ends + config.highlight_weight * highlight, "ends": ends, "highlight": highlight}


class _Encoder(nn.Module):
    """Places, convolutions of each channel, attention and a feed-forward layer, each behind a norm and added."""

    def __init__(self, config: VSLNetConfig) -> None:
        super().__init__()
        width = config.width
        self.along = nn.ModuleList(
            nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width, bias=False)
            for _ in range(config.convolutions)
        )
        self.across = nn.ModuleList(nn.Linear(width, width) for _ in range(config.convolutions))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.convolutions + 2))
        self.attention = SelfAttention(width, config.heads)
        self.feed = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + places(x.shape[1], x.shape[2], x.device)
        keep = mask[..., None]
        for norm, along, across in zip(self.norms, self.along, self.across, strict=False):
            y = along((norm(x) * keep).transpose(1, 2)).transpose(1, 2)
            x = x + self.dropout(across(y).relu())
        x = x + self.dropout(self.attention(self.norms[-2](x), mask[:, None, None]))
        return (x + self.dropout(self.feed(self.norms[-1](x)))) * keep


class _ContextQuery(nn.Module):
    """Attention from video to words and back, by a trilinear similarity (2004.13931, section 3.2)."""

    def __init__(self, config: VSLNetConfig) -> None:
        super().__init__()
        width = config.width
        self.of_video, self.of_words = nn.Linear(width, 1, bias=False), nn.Linear(width, 1, bias=False)
        self.of_both = nn.Parameter(torch.empty(width).uniform_(-1, 1) / math.sqrt(width))
        self.out = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, v: Tensor, seen: Tensor, q: Tensor, said: Tensor) -> Tensor:
        a, b = self.dropout(v), self.dropout(q)
        score = self.of_video(a) + self.of_words(b).transpose(1, 2) + (a * self.of_both) @ b.transpose(1, 2)
        over_words = score.masked_fill(~said[:, None], OUT_OF_SIGHT).softmax(2)
        over_video = score.masked_fill(~seen[..., None], OUT_OF_SIGHT).softmax(1)
        to_words = over_words @ q
        to_video = over_words @ (over_video.transpose(1, 2) @ v)
        return self.out(torch.cat([v, to_words, v * to_words, v * to_video], -1))


def places(count: int, width: int, device: torch.device) -> Tensor:
    """Return the fixed sines and cosines of places 0..count-1, float32 [count, width], of any length."""
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000) / width))
    angle = torch.arange(count, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :width]


def _head(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, 1))
