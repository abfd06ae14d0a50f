"""VideoPrism's three stages: contrast with texts, distillation from what that gave, texts for what that gave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.models.all_gather import gather, local_rows
from egocurate.models.frozen.folder import WEIGHTS
from egocurate.models.frozen.hub_encoder import HubEncoder, frozen_config
from egocurate.models.frozen.teacher import FrozenTeacher
from egocurate.models.layers.patches import check_hidden, tube_mask
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.videoprism.canonical_text import canonical_text
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.models.videoprism.distillation import Student, cosine_distance, frozen_teacher, random_order
from egocurate.models.videoprism.model import PrismVideoTower, VideoPrism
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, check_clips, frames_bytes, layer_bytes
from egocurate.training.systems.initial_weights import load_complete
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import tokens_for

_ENCODER = ("encoder.", "video.encoder.", "")  # as runs of the second stage, of the others, and weights name its parts


class _Prism(System):
    """What the stages share."""

    sizes: EncoderConfig

    def pixels(self, frames: Tensor) -> Tensor:
        """Return uint8 frames [B, T, 3, S, S] in [0, 1]."""
        return frames.float() / 255

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the layers over all of its tokens, whose attention has no fused kernel."""
        sizes = self.sizes
        tokens = frames * sizes.places
        scores = sizes.heads * tokens**2 if sizes.cap else 0
        return frames_bytes(frames, sizes.image) + layer_bytes(tokens, sizes.width, scores)


class VideoPrismSystem(_Prism):
    """The first stage (2402.13217, section 3.2): both towers by contrast, each clip with its own places dropped."""

    splits_by = "embeddings"
    published_tokenizer = (
        "FILE, FILE being gs://t5-data/vocabs/cc_en.32000/sentencepiece.model, or google/videoprism-lvt-base-f16r288"
    )

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError for sizes or a tokenizer that do not fit."""
        encoder, text, self.objective = config.model.encoder, config.model.text, config.objective
        check_clips(config, encoder.image, encoder.frames)
        self.sizes = encoder
        self.places, self.dropped = encoder.places, int(self.objective.drop * encoder.places)
        try:
            if self.dropped:
                check_hidden(self.dropped, self.places)
            model = VideoPrism(config.model)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.tokens = tokens_for(config, data, ranks, text.vocab, text.max_tokens, canonical_text)
        self.model = model.to(ranks.device)
        self.embedding = encoder.width

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the contrastive loss."""
        return self.compare(self.embed(network, batch, step_rng), batch)

    def embed(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, ...]:
        """Embed texts and what is left of the clips, [M, D] each."""
        visible = tube_mask(step_rng.uniform(batch, self.places), self.dropped)[0] if self.dropped else None
        with step_rng.timed():
            tokens = self.tokens(batch.texts)
        text, video = network(*tokens, self.pixels(batch.frames), visible)
        return text.float(), video.float()

    def compare(self, embeddings: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Return the contrastive loss of this rank's rows against the rows of all ranks (models/all_gather.py)."""
        rows = local_rows(len(batch))
        text, video, valid = (gather(each) for each in (*embeddings, batch.valid))
        return {"loss": info_nce(text, video, valid, temperature=self.objective.temperature, rows=rows)}


class LockedSystem(VideoPrismSystem):
    """Texts for the second stage's encoder, which stays as it is (section 3.3; LiT, 2111.07991).

    Text tower, joint layers and pooling go on from the first stage.
    """

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError as the first stage does."""
        # Its texts are read as that run's were.
        super().__init__(replace(config, start=config.objective.towers or config.start), data, ranks)
        self.model.freeze_encoder()

    def load_initial_weights(self, config: TrainConfig) -> list[str]:
        """Load encoder and towers; raises InputError unless they are named, and whole."""
        objective, video = config.objective, self.model.video
        if not config.start and not (objective.encoder and objective.towers):
            raise InputError(
                f"{config.system} tunes what others have learned: --set objective.encoder=RUN of videoprism-stage2 "
                "and --set objective.towers=RUN of videoprism-stage1"
            )
        said = super().load_initial_weights(config)
        if objective.towers:
            for part, prefix in ((video, "video."), (self.model.text, "text.")):
                load_complete(part, objective.towers, (prefix,))
            self.refuse_made_tokens(objective.towers)
            said.append(f"texts and pooling go on from {objective.towers}")
        if objective.encoder:
            load_complete(video.encoder, objective.encoder, _ENCODER)
            said.append(f"the encoder is that of {objective.encoder}")
        return said


class DistillationSystem(_Prism):
    """The second stage (section 3.3): a student, at first its teacher's encoder, sees a third of what the teacher sees.

    The teacher stands beside the model: it is neither learned nor saved, and only training (`data`) asks for it. One of
    another make (`models.frozen.teacher`) teaches a student with weights of its own, drawn or from `start`.
    """

    splits_by = "rows"

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build student and teacher; raises InputError for sizes or a teacher that do not fit."""
        sizes, objective = config.model, config.objective
        self.sizes = sizes.encoder
        check_clips(config, sizes.encoder.image, sizes.encoder.frames, exactly=True)
        self.places, self.hidden = sizes.encoder.places, int(objective.mask * sizes.encoder.places)
        try:
            check_hidden(self.hidden, self.places)
            tower = PrismVideoTower(sizes.encoder, sizes.auxiliary_depth)
            teacher = self.load_teacher(tower, config, data)
            self.model = Student(tower.encoder, sizes.decoder).to(ranks.device)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.teacher: nn.Module | None = None
        if teacher is not None:
            teacher = teacher.to(ranks.device)
            self.teacher = torch.compile(teacher) if config.compile else teacher
        self.count = sizes.encoder.frames * self.places

    def load_teacher(self, tower: PrismVideoTower, config: TrainConfig, data: Stream | None) -> nn.Module | None:
        """Return what the student learns from, loaded into `tower` if it is a first stage; None without data.

        Raises InputError where it is not named, not whole, or its tokens cannot stand for the student's.
        """
        if data is None:
            return None
        source = config.objective.teacher
        if not source:
            raise InputError(f"{config.system} needs its teacher: --set objective.teacher=RUN of videoprism-stage1")
        found = frozen_config(source)
        if found is not None and not found.kind.startswith("videoprism"):
            return FrozenTeacher(HubEncoder(found), self.sizes)
        load_complete(tower, str(Path(found.source) / WEIGHTS) if found else source, ("video.", ""))
        return frozen_teacher(tower)

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the distances of tokens and of clips to the teacher's, and their sum."""
        hide, mix = step_rng.uniform(batch, self.places + self.count).split((self.places, self.count), dim=1)
        frames = self.pixels(batch.frames)
        with torch.no_grad():
            targets = self.teacher(frames)
        tokens, clip = map(
            cosine_distance, network(frames, tube_mask(hide, self.hidden)[0], random_order(mix)), targets
        )
        return {"loss": tokens + clip, "tokens": tokens, "clip": clip}

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the encoder, whose attention is over the places of a frame."""
        sizes = self.sizes
        scores = sizes.heads * frames * sizes.places**2 if sizes.cap else 0
        return frames_bytes(frames, sizes.image) + layer_bytes(frames * sizes.places, sizes.width, scores)

    def features(self, frames: Tensor) -> Tensor:
        """Return the mean of the encoder's tokens [B, width], with nothing hidden."""
        return self.model.encoder(self.pixels(frames)).mean(1)
