"""EgoVLPv2 (2307.05463): one model that encodes texts and clips apart, or fused by gates in the upper layers."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from egocurate.models.all_gather import find_routes, gather, local_rows
from egocurate.models.egovlpv2.config import EgoVLPv2Config, ObjectiveConfig
from egocurate.models.egovlpv2.cross_attention import GatedCrossAttention, MlmHead, VtmHead
from egocurate.models.egovlpv2.masking_and_matching import MaskedTokens, Matches, match_rows, mlm_loss, vtm_loss
from egocurate.models.layers.roberta import RobertaTower, initial_std
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.losses.cosines import cosines
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.pairs import egonce_pairs


class TrainingBatch(NamedTuple):
    """This rank's rows: texts, clips, tags, and the random numbers by which the matching task chooses."""

    ids: Tensor  # int64 [m, L], L the same on every rank
    mask: Tensor  # int64 [m, L]
    frames: Tensor  # float [m, T, 3, S, S], normalized
    masked: MaskedTokens
    verbs: Tensor  # bool [m, V]
    nouns: Tensor  # bool [m, N]
    valid: Tensor  # bool [m]
    uniform: Tensor  # float [m, 3] in [0, 1)
    place: Tensor | None = None
    """int64 [m]: where each row would stand if one process had the whole batch, so that any number of ranks draws the
    same negatives; default: rank by rank"""
    hard: bool = True
    """whether matching draws its negatives by similarity, or evenly"""


class Losses(NamedTuple):
    """The weighted sum, and its parts unweighted; means over ranks are the whole batch's (`models.all_gather`)."""

    total: Tensor
    egonce: Tensor
    mlm: Tensor
    vtm: Tensor


class Texts(NamedTuple):
    """Texts on their way through the tower: tokens [B, L, D] and their mask [B, L]."""

    tokens: Tensor
    mask: Tensor


class Clips(NamedTuple):
    """Clips on their way through the tower: tokens [B, 1 + T*N, D] of T frames."""

    tokens: Tensor
    frames: int


class LowerTokens(NamedTuple):
    """What the layers below the fused ones give of some rows: all of them that the layers above read."""

    texts: Tensor  # [m, L, D]
    masked: Tensor  # [m, L, D], of the texts with some words hidden
    clips: Tensor  # [m, 1 + T*N, D], begun with the video tower's [CLS]
    fused: Tensor  # [m, 1 + T*N, D], begun with the fused one; where it is shared, `clips` itself


class EgoVLPv2(nn.Module):
    """Two towers with gates: `encode_text` and `encode_video` leave them out, `fuse` goes through them."""

    graphs = ("lower_tokens", "dual", "fuse")
    """methods to be compiled each for itself: between them rows travel over ranks, which no graph holds"""

    def __init__(self, config: EgoVLPv2Config, objective: ObjectiveConfig | None = None) -> None:
        """Raise ValueError if the towers' depths differ or are less than the fused layers."""
        super().__init__()
        self.config, self.objective = config, objective or ObjectiveConfig()
        self.video, self.text = VideoTower(config.video), RobertaTower(config.text)
        width, words, heads = config.video.width, self.text.width, config.video.heads
        self.lower = config.video.depth - config.fused_layers
        if self.text.depth != config.video.depth or self.lower < 0:
            raise ValueError(
                f"towers of {config.video.depth} and {self.text.depth} layers with fused_layers="
                f"{config.fused_layers}: the depths must be equal and no less"
            )
        eps, dropout = config.video.eps, config.text.dropout
        count, gate = range(config.fused_layers), config.gate
        self.video_gates = nn.ModuleList(
            GatedCrossAttention(width, words, heads, norm_eps=eps, gate=gate) for _ in count
        )
        self.text_gates = nn.ModuleList(
            GatedCrossAttention(words, width, self.text.heads, dropout=dropout, gate=gate) for _ in count
        )
        self.vid_proj, self.txt_proj = _projectors(config, width, words)
        if not config.shared:
            self.fused_cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.fused_norm = nn.LayerNorm(width, eps=1e-6)
        self.text_transform, self.video_transform = nn.Linear(words, words), nn.Linear(width, words)
        self.mlm_head = MlmHead(words, self.text.model.config.vocab_size)
        self.vtm_head = VtmHead(words)
        for part in (self.text_gates, self.text_transform, self.video_transform, self.mlm_head, self.vtm_head):
            part.apply(partial(_reset, std=initial_std(words)))

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] with their mask [B, L] as [B, projection], not yet of unit length."""
        return self._dual_text(self.lower_text(ids, mask))

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last hidden states [B, L, D] of token ids [B, L] with their mask [B, L]; they see no clip."""
        return self.text(ids, mask)

    def encode_video(self, frames: Tensor) -> Tensor:
        """Embed normalized frames [B, T, 3, S, S] as [B, projection], not yet of unit length."""
        return self._dual_video(self._lower(frames, self.video.cls_token))

    def lower_text(self, ids: Tensor, mask: Tensor) -> Texts:
        """Run token ids [B, L] with their mask [B, L] through the layers below the fused ones."""
        tokens = self.text.embed(ids, mask)
        for index in range(self.lower):
            tokens = self.text.layer(index, tokens, mask)
        return Texts(tokens, mask)

    def lower_video(self, frames: Tensor) -> Clips:
        """Run normalized frames [B, T, 3, S, S] through the layers below the fused ones, as `fuse` takes them."""
        return self._lower(frames, self.video.cls_token if self.config.shared else self.fused_cls_token)

    def fuse(self, video: Clips, text: Texts) -> tuple[Tensor, Tensor]:
        """Run both through the fused layers; each reads what the other was before the layer, as the release does.

        Returns all tokens of the texts [B, L, D] and [CLS] of the clips [B, D], after their last LayerNorms.
        """
        x, words = video.tokens, text.tokens
        for gate in range(self.config.fused_layers):
            to_video = partial(self.video_gates[gate], other=words, mask=text.mask)
            to_text = partial(self.text_gates[gate], other=x)
            last = gate == self.config.fused_layers - 1  # after which [CLS] alone is read
            x, words = (
                self.video.blocks[self.lower + gate](x, video.frames, to_video, only_cls=last),
                self.text.layer(self.lower + gate, words, text.mask, to_text),
            )
        return words, self.fused_norm(x[:, 0])

    def match(self, video: Clips, text: Texts) -> Tensor:
        """Logits [B, 2] of clip and text being "apart" and "together"; EgoMCQ adds softmax(...)[:, 1] to the cosine."""
        words, clip = self.fuse(video, text)
        return self.vtm_head(self.text_transform(words[:, 0]), self.video_transform(clip))

    def match_options(self, frames: Tensor, ids: Tensor, mask: Tensor, options: Tensor, at_once: int) -> Tensor:
        """Logits [Q, O, 2], as `match`, of Q texts (ids and mask [Q, L]) with O options each, `at_once` at a time.

        options: int64 [Q, O], rows of frames [K, T, 3, S, S]; lower layers run once for each clip and each text.
        """
        count = frames.shape[1]
        clips = torch.cat([self.lower_video(part).tokens for part in frames.split(at_once)])
        words = self.lower_text(ids, mask)
        text = torch.arange(len(ids), device=ids.device).repeat_interleave(options.shape[1])
        logits = [
            self.match(Clips(clips[clip], count), Texts(words.tokens[row], mask[row]))
            for row, clip in zip(text.split(at_once), options.flatten().split(at_once), strict=True)
        ]
        return torch.cat(logits).unflatten(0, options.shape)

    def forward(self, batch: TrainingBatch) -> Losses:
        """Return the three losses; every rank calls this with the same number of rows."""
        frames = batch.frames.shape[1]
        tokens = self.lower_tokens(batch.ids, batch.mask, batch.masked.ids, batch.frames)
        contrast, partners = self.contrast(self.dual(tokens, batch.mask, frames), batch)
        mlm = self.words_loss(tokens, batch.mask, frames, batch.masked)
        vtm = self.matching_loss(tokens, batch.mask, frames, partners, batch.valid)
        return self.total(contrast, mlm, vtm)

    def total(self, contrast: Tensor, mlm: Tensor, vtm: Tensor) -> Losses:
        """Return the three losses with their weighted sum."""
        rule = self.objective
        return Losses(rule.egonce * contrast + rule.mlm * mlm + rule.vtm * vtm, contrast, mlm, vtm)

    def lower_tokens(self, ids: Tensor, mask: Tensor, masked_ids: Tensor, frames: Tensor) -> LowerTokens:
        """Run texts (token ids, their mask, and the ids with words hidden, all [m, L]) and clips through lower layers.

        frames: normalized [m, T, 3, S, S].
        """
        clips = self._lower(frames, self.video.cls_token).tokens
        fused = clips if self.config.shared else self.lower_video(frames).tokens
        return LowerTokens(self.lower_text(ids, mask).tokens, self.lower_text(masked_ids, mask).tokens, clips, fused)

    def dual(self, tokens: LowerTokens, mask: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Embed texts (mask [m, L]) and clips of so many frames apart, [m, projection], in float32 at least.

        Whatever the precision of the towers: over ranks the gradients of these are summed.
        """
        text = self._dual_text(Texts(tokens.texts, mask))
        video = self._dual_video(Clips(tokens.clips, frames))
        return _float32(text), _float32(video)

    def contrast(self, embeddings: tuple[Tensor, Tensor], batch: TrainingBatch) -> tuple[Tensor, Matches]:
        """Return EgoNCE of this rank's embeddings against all ranks', and what the matching task compares.

        Of the batch tags, validity and random numbers are read. The matches are rows as `find_routes` numbers them.
        """
        rule, rows = self.objective, local_rows(len(batch.valid))
        text, video = map(gather, embeddings)
        verbs, nouns, valid = gather(batch.verbs), gather(batch.nouns), gather(batch.valid)
        tags = {"positives": rule.positives, "undecided": rule.undecided, "rows": rows}
        loss = egonce(text, video, verbs, nouns, valid, temperature=rule.temperature, **tags)

        text, video = text.detach(), video.detach()
        uniform = gather(batch.uniform[:, 0])
        half = (uniform[rows, None] > uniform).sum(1) < len(uniform) // 2  # the lower half of the whole batch's numbers
        place = torch.arange(len(uniform), device=uniform.device)
        place = place if batch.place is None else gather(batch.place)
        order = place.argsort()
        temperature = self.objective.temperature if batch.hard else math.inf  # then all are equally likely
        chosen = match_rows(
            cosines(text[rows], video[order]) / temperature,
            cosines(video[rows], text[order]) / temperature,
            egonce_pairs(verbs, nouns, valid, **tags).negative[:, order],
            half,
            batch.uniform[:, 1:],
            place[rows],
        )
        return loss, Matches(order[chosen.text], order[chosen.video], chosen.label)

    def words_loss(
        self, tokens: LowerTokens, mask: Tensor, frames: int, masked: MaskedTokens, count: Tensor | None = None
    ) -> Tensor:
        """Loss of the hidden words of rows' tokens; count: how many this rank hides in its whole batch."""
        words, _ = self.fuse(Clips(tokens.fused, frames), Texts(tokens.masked, mask))
        hidden = words.flatten(0, 1)[masked.places]
        return mlm_loss(self.mlm_head(self.text_transform(hidden)), masked.targets, count)

    def matching_loss(
        self,
        tokens: LowerTokens,
        mask: Tensor,
        frames: int,
        partners: Matches,
        valid: Tensor,
        count: Tensor | None = None,
    ) -> Tensor:
        """Loss of telling pairs from hard negatives, whose lower layers' tokens are fetched instead of run again.

        tokens, mask: of all of this rank's rows. partners, valid: of those that this call is about; count: how many are
        valid of all.
        """
        to_texts, to_clips = find_routes(len(mask), partners.text, partners.video)
        texts = Texts(to_texts.fetch(tokens.texts), to_texts.fetch(mask))
        clips = Clips(to_clips.fetch(tokens.fused), frames)
        return vtm_loss(self.match(clips, texts), partners.label, valid, count)

    def _lower(self, frames: Tensor, cls_token: Tensor) -> Clips:
        x = self.video.embed(frames, cls_token)
        for block in self.video.blocks[: self.lower]:
            x = block(x, frames.shape[1])
        return Clips(x, frames.shape[1])

    def _dual_text(self, texts: Texts) -> Tensor:
        tokens = texts.tokens
        for index in range(self.lower, self.text.depth):
            tokens = self.text.layer(index, tokens, texts.mask)
        return self.txt_proj(tokens[:, 0])

    def _dual_video(self, clips: Clips) -> Tensor:
        return self.vid_proj(self.video.read(clips.tokens, clips.frames, self.lower))


def _projectors(config: EgoVLPv2Config, width: int, words: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the maps of clips and of texts into their space."""
    space = config.projection
    if config.projector == "mlp":
        return _mlp(width, space), _mlp(words, space)
    return nn.Sequential(nn.Linear(width, space)), nn.Sequential(nn.ReLU(), nn.Linear(words, space))


def _mlp(width: int, space: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, space, bias=False), nn.ReLU(), nn.Linear(space, space), nn.ReLU(), nn.Linear(space, space)
    )


def _reset(module: nn.Module, std: float) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=std)
        nn.init.zeros_(module.bias)


def _float32(embedding: Tensor) -> Tensor:
    return embedding.to(torch.promote_types(embedding.dtype, torch.float32))
