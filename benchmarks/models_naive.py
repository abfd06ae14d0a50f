"""The models' plain forms, written from the papers' formulas: all scores in memory, nothing left out, nothing reused.

They run on the weights of the models they are compared with, so that both give the same loss.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from egocurate.models.egovlpv2.cross_attention import GatedCrossAttention
from egocurate.models.egovlpv2.masking_and_matching import match_rows, mlm_loss, vtm_loss
from egocurate.models.egovlpv2.model import EgoVLPv2, TrainingBatch
from egocurate.models.layers.divided_attention import DividedAttention, Fuse
from egocurate.models.layers.roberta import RobertaTower
from egocurate.models.layers.video_tower import DividedBlock, VideoTower
from egocurate.models.losses.cosines import cosines
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.pairs import egonce_pairs


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of q [B, H, I, d] to k and v [B, H, J, d], of which mask [B, J] are real: softmax(q k' / sqrt(d)) v."""
    scores = torch.einsum("bhid,bhjd->bhij", q * q.shape[-1] ** -0.5, k)
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None].bool(), -torch.inf)
    return torch.einsum("bhij,bhjd->bhid", scores.softmax(dim=-1), v)


def heads_first(x: Tensor, heads: int) -> Tensor:
    """Reshape [B, L, D] to [B, H, L, d]."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def divided(layer: DividedAttention, x: Tensor, frames: int) -> Tensor:
    """Attention over space or time: [CLS] to all tokens, a patch to [CLS] and its group (2104.00650, section 3.1)."""
    batch, tokens, width = x.shape
    patches = (tokens - 1) // frames
    q, k, v = (heads_first(part, layer.heads) for part in layer.qkv(x).chunk(3, dim=-1))
    cls = attend(q[:, :, :1], k, v)

    def grouped(part: Tensor) -> Tensor:
        part = part[:, :, 1:].reshape(batch, layer.heads, frames, patches, -1)
        part = part.permute(0, 2, 1, 3, 4) if layer.axis == "space" else part.permute(0, 3, 1, 2, 4)
        return part.reshape(-1, *part.shape[2:])

    def with_cls(part: Tensor) -> Tensor:
        rest = grouped(part)
        first = part[:, :, :1].repeat_interleave(len(rest) // batch, dim=0)
        return torch.cat([first, rest], dim=2)

    out = attend(grouped(q), with_cls(k), with_cls(v))
    out = out.reshape(batch, -1, *out.shape[1:])
    out = out.permute(0, 2, 1, 3, 4) if layer.axis == "space" else out.permute(0, 2, 3, 1, 4)
    out = torch.cat([cls, out.reshape(batch, layer.heads, tokens - 1, -1)], dim=2)
    return layer.proj(out.transpose(1, 2).reshape(batch, tokens, width))


def video_block(block: DividedBlock, x: Tensor, frames: int, fuse: Fuse | None = None) -> Tensor:
    """Time attention, space attention and MLP on all tokens."""
    seen = divided(block.attn, block.norm1(x + divided(block.timeattn, block.norm3(x), frames)), frames)
    x = x + (seen if fuse is None else seen + fuse(seen))
    return x + block.mlp(block.norm2(x))


def video_tower(tower: VideoTower, frames: Tensor) -> Tensor:
    """Frames [B, T, 3, S, S] to [CLS] of the last block, [B, D]."""
    x = tower.embed(frames)
    for block in tower.blocks:
        x = video_block(block, x, frames.shape[1])
    return tower.norm(x)[:, 0]


def text_layer(tower: RobertaTower, index: int, x: Tensor, mask: Tensor, fuse: Fuse | None = None) -> Tensor:
    """A layer of RoBERTa without dropout on tokens [B, L, D]."""
    layer = tower.model.encoder.layer[index]
    inner, output = layer.attention.self, layer.attention.output
    q, k, v = (heads_first(part(x), tower.heads) for part in (inner.query, inner.key, inner.value))
    seen = output.dense(attend(q, k, v, mask).transpose(1, 2).reshape(x.shape))
    x = output.LayerNorm(x + (seen if fuse is None else seen + fuse(seen)))
    return layer.output(layer.intermediate(x), x)


def cross(gate: GatedCrossAttention, x: Tensor, other: Tensor, mask: Tensor | None = None) -> Tensor:
    """What tokens x read from the other's, times the gate."""
    k, v = (heads_first(part, gate.heads) for part in gate.kv(other).chunk(2, dim=-1))
    read = attend(heads_first(gate.q(gate.norm(x)), gate.heads), k, v, mask)
    return gate.gate * gate.proj(read.transpose(1, 2).reshape(x.shape))


def fused(model: EgoVLPv2, ids: Tensor, mask: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """A whole fused pass, from pixels and ids to the tokens of the texts and [CLS] of the clips."""
    x, words = model.video.embed(frames, model.fused_cls_token), model.text.embed(ids, mask)
    for index, block in enumerate(model.video.blocks):
        to_video = to_text = None
        if index >= model.lower:
            gate = index - model.lower
            to_video = partial(cross, model.video_gates[gate], other=words, mask=mask)
            to_text = partial(cross, model.text_gates[gate], other=x)
        x, words = (
            video_block(block, x, frames.shape[1], to_video),
            text_layer(model.text, index, words, mask, to_text),
        )
    return words, model.fused_norm(x)[:, 0]


def egovlpv2_loss(model: EgoVLPv2, batch: TrainingBatch) -> Tensor:
    """The step as published: three passes from the start, one for each objective (2307.05463, algorithm 1)."""
    rule = model.objective
    words = model.text.embed(batch.ids, batch.mask)
    for index in range(model.text.depth):
        words = text_layer(model.text, index, words, batch.mask)
    text, video = model.txt_proj(words[:, 0]), model.vid_proj(video_tower(model.video, batch.frames))
    tags = {"positives": rule.positives, "undecided": rule.undecided}
    contrast = egonce(text, video, batch.verbs, batch.nouns, batch.valid, temperature=rule.temperature, **tags)

    words, _ = fused(model, batch.masked.ids, batch.mask, batch.frames)
    hidden = words.flatten(0, 1)[batch.masked.places]
    mlm = mlm_loss(model.mlm_head(model.text_transform(hidden)), batch.masked.targets)

    order, logits = batch.uniform[:, 0], cosines(text.detach(), video.detach()) / rule.temperature
    half = (order[:, None] > order).sum(1) < len(order) // 2
    negative = egonce_pairs(batch.verbs, batch.nouns, batch.valid, **tags).negative
    chosen = match_rows(logits, logits.T, negative, half, batch.uniform[:, 1:])
    words, clip = fused(model, batch.ids[chosen.text], batch.mask[chosen.text], batch.frames[chosen.video])
    match = model.vtm_head(model.text_transform(words[:, 0]), model.video_transform(clip))
    return rule.egonce * contrast + rule.mlm * mlm + rule.vtm * vtm_loss(match, chosen.label, batch.valid)
