"""EgoVLP: two towers and a contrastive loss over the clips of all ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import to_device
from egocurate.models.all_gather import gather, local_rows
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.dual import EgoVLPv2Dual
from egocurate.models.layers.image_weights import load_image_tower
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.egonce_plus import egonce_plus
from egocurate.models.losses.info_nce import info_nce
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, check_clips, tower_bytes, with_frames
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import tokens_for


class EgoVLPSystem(System):
    """EgoVLP as published (2206.01670), or with another rule of positives."""

    splits_by = "embeddings"
    published_tokenizer = "distilbert-base-uncased"
    towers: type[EgoVLP | EgoVLPv2Dual] = EgoVLP

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError for sizes, weights or a tokenizer that do not fit."""
        _check_text_negatives(config)
        sizes = with_frames(config.model, config.data.frames)
        check_clips(config, sizes.video.image, sizes.video.max_frames)
        try:
            model = self.towers(sizes)
            if config.video_weights:
                load_image_tower(model.video, config.video_weights)
        except ValueError as error:
            raise InputError(str(error)) from error
        vocab, longest = model.text.model.config.vocab_size, sizes.text.max_tokens
        self.tokens = tokens_for(config, data, ranks, vocab, longest)
        self.model, self.objective = model.to(ranks.device), config.objective
        self.embedding, self.video = config.model.projection, sizes.video
        self.text_negatives = config.data.text_negatives

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the contrastive loss."""
        return self.compare(self.embed(network, batch, step_rng), batch)

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the video tower."""
        return tower_bytes(self.video, frames)

    def embed(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, ...]:
        """Embed texts and clips, [M, projection] each, and what text negatives there are, [M, K, projection]."""
        rows, wrong = len(batch), self._padded(batch)
        with step_rng.timed():
            tokens = self.tokens(batch.texts + wrong)
        text, video = network(*tokens, self.pixels(batch.frames))
        if not wrong:
            return text.float(), video.float()
        return text[:rows].float(), video.float(), text[rows:].float().unflatten(0, (rows, self.text_negatives))

    def _padded(self, batch: Batch) -> list[str]:
        """Return the text negatives of all clips, K of each: "" where there are fewer."""
        wrong = batch.text_negatives or []
        return [text for texts in wrong for text in texts + [""] * (self.text_negatives - len(texts))]

    def compare(self, embeddings: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Return the contrastive loss."""
        text, video, *wrong = embeddings
        return {"loss": contrast(self.objective, text, video, batch, *wrong)}


def contrast(objective: Contrast, text: Tensor, video: Tensor, batch: Batch, wrong: Tensor | None = None) -> Tensor:
    """Return this rank's share of the loss of embeddings [m, D] over the rows of all ranks (`models.all_gather`).

    wrong: the text negatives [m, K, D], of which the batch tells how many there are.
    """
    rows = local_rows(len(text))
    text, video, valid = gather(text), gather(video), gather(batch.valid)
    if objective.loss == "info_nce":
        return info_nce(text, video, valid, temperature=objective.temperature, rows=rows)
    is_there = None
    if wrong is not None:
        counts = torch.tensor([len(texts) for texts in batch.text_negatives])
        is_there = gather(to_device(torch.arange(wrong.shape[1]) < counts[:, None], wrong.device))
        wrong = gather(wrong)
    rule = {"undecided": objective.undecided, "temperature": objective.temperature, "rows": rows}
    if objective.loss == "egonce_plus":
        return egonce_plus(text, video, wrong, gather(batch.nouns), valid, is_there, **rule)
    tags = gather(batch.verbs), gather(batch.nouns)
    return egonce(text, video, *tags, valid, wrong, is_there, positives=objective.positives, **rule)


def _check_text_negatives(config: TrainConfig) -> None:
    """Raise InputError if the loss needs text negatives and none come, or learns nothing from them."""
    count = config.data.text_negatives
    loss = config.objective.loss if isinstance(config.objective, Contrast) else ""
    if loss == "egonce_plus" and not count:
        raise InputError(
            "objective.loss=egonce_plus needs texts that are wrong of a clip: --set data.text_negatives=10"
        )
    if count and loss not in ("egonce", "egonce_plus"):
        raise InputError(f"data.text_negatives={count}: objective.loss egonce_plus and egonce alone learn from them")
