"""EgoVLPv2: two towers that fuse in their upper layers, taught by contrast, masked words and matching."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import to_device
from egocurate.models.egovlpv2.masking_and_matching import MaskedTokens, Vocabulary, mask_tokens
from egocurate.models.egovlpv2.model import EgoVLPv2, Losses, TrainingBatch
from egocurate.models.layers.image_weights import load_image_tower
from egocurate.models.tokenizer import AnyTokenizer
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, check_clips, tower_bytes, with_frames
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.token_cache import Part, backward_in_parts
from egocurate.training.systems.tokens import tokens_for


class EgoVLPv2System(System):
    """EgoVLPv2 (2307.05463) and its three losses."""

    splits_by = "tokens"
    new_parameters = ("video_gates.", "text_gates.", "text_transform.", "video_transform.", "mlm_head.", "vtm_head.")
    new_parameters += ("vid_proj.", "txt_proj.")
    can_fuse = True
    published_tokenizer = "roberta-base"

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError for sizes, weights or a tokenizer that do not fit."""
        sizes = with_frames(config.model, config.data.frames)
        check_clips(config, sizes.video.image, sizes.video.max_frames)
        try:
            model = EgoVLPv2(sizes, config.objective)
            if config.video_weights:
                load_image_tower(model.video, config.video_weights)
        except ValueError as error:
            raise InputError(str(error)) from error
        vocab, longest = model.text.model.config.vocab_size, sizes.text.max_tokens
        self.tokens = tokens_for(config, data, ranks, vocab, longest)
        self.vocabulary = _vocabulary(self.tokens.tokenizer, config)
        self.model, self.objective, self.ranks = model.to(ranks.device), config.objective, ranks
        self.embedding, self.video = config.model.projection, sizes.video

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the weighted sum and its parts egonce, mlm and vtm."""
        rows = self._reader(batch, step_rng)(slice(None))
        return _named(network(rows._replace(frames=self.pixels(rows.frames))))

    def backward_parts(self, batch: Batch, step_rng: StepRng, parts: Sequence[tuple[slice, int]]) -> dict[str, Tensor]:
        """Add the gradient of the batch to the model's parameters, part by part; returns the losses, detached."""
        read = self._reader(batch, step_rng)
        parts = [Part(*part) for part in parts]
        return _named(backward_in_parts(self.model, parts, read, self.pixels, self.ranks.autocast))

    def _reader(self, batch: Batch, step_rng: StepRng) -> Callable[[slice], TrainingBatch]:
        """Return what gives rows of the batch as the model takes them, but for the frames, which stay uint8."""
        # As long on every rank: lower layers' tokens travel. Words are hidden on the host, where their number is known.
        with step_rng.timed():
            ids, mask = self.tokens.on_host(batch.texts, full=True)
        numbers = step_rng.on_host(batch, 3 + 3 * ids.shape[1])
        place = places(len(batch), step_rng.anchors, self.ranks.rank, self.ranks.size)
        counted, device = batch.valid_on_host(), batch.frames.device

        def rows_of(rows: slice) -> TrainingBatch:
            hide = numbers[rows, 3:].unflatten(1, (-1, 3))
            masked = mask_tokens(ids[rows], self.vocabulary, hide, counted[rows])
            host = (ids[rows], mask[rows], *masked, numbers[rows, :3], place[rows])
            own_ids, own_mask, *hidden, uniform, own_place = (to_device(each, device) for each in host)
            return TrainingBatch(
                ids=own_ids,
                mask=own_mask,
                frames=batch.frames[rows],
                masked=MaskedTokens(*hidden),
                verbs=batch.verbs[rows],
                nouns=batch.nouns[rows],
                valid=batch.valid[rows],
                uniform=uniform,
                place=own_place,
                hard=step_rng.step >= self.objective.uniform_steps,
            )

        return rows_of

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the video tower, and in the attention by which it reads a text."""
        return 2 * tower_bytes(self.video, frames)

    def features(self, frames: Tensor) -> Tensor:
        """Return the video tower's [B, width], without its projector, as the released features are."""
        return self.model.video(self.pixels(frames))

    def match_probability(self, frames: Tensor, texts: list[str], options: Tensor, at_once: int) -> Tensor:
        """Return the matching head's probability; lower layers run once for each clip and each text."""
        logits = self.model.match_options(self.pixels(frames), *self.tokens(texts), options, at_once)
        return logits.float().softmax(-1)[..., 1]


def _named(losses: Losses) -> dict[str, Tensor]:
    return {"loss": losses.total, "egonce": losses.egonce, "mlm": losses.mlm, "vtm": losses.vtm}


def places(rows: int, anchors: int, rank: int, ranks: int) -> Tensor:
    """Return where a rank's rows, `anchors` anchors and then as many negatives or none, stand in one process's batch.

    That has the anchors of all ranks first, then all negatives: int64 [rows].
    """
    row = torch.arange(rows)
    return row // anchors * (anchors * ranks) + rank * anchors + row % anchors


def _vocabulary(tokenizer: AnyTokenizer, config: TrainConfig) -> Vocabulary:
    if tokenizer.mask_token_id is None:
        raise InputError(f"tokenizer {config.tokenizer!r} has no mask token, and words are to be masked: take another")
    return Vocabulary(len(tokenizer), tokenizer.mask_token_id, tuple(tokenizer.all_special_ids))
