"""Dual encoders that are tuned for multi-instance retrieval: EgoVLP and EgoVLPv2 on EPIC-KITCHENS-100."""

from __future__ import annotations

from torch import Tensor, nn

from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.device import to_device
from egocurate.models.all_gather import gather, local_rows
from egocurate.models.egovlpv2.dual import EgoVLPv2Dual
from egocurate.models.losses.max_margin import max_margin
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.egovlp import EgoVLPSystem
from egocurate.training.systems.relevant_sentences import RelevantSentences
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.epic_retrieval import EpicRetrievalEvaluator


class RetrievalSystem(EgoVLPSystem):
    """EgoVLP tuned by the max-margin loss to sentences that are drawn by relevancy (2206.01670, section 6.2)."""

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model, and gather the sentences of the data; InputError as `EgoVLPSystem`, and without classes."""
        super().__init__(config, data, ranks)
        draws = data is not None and config.objective.above < 1
        self.sentences = RelevantSentences(data.indexes, config.data.text, config.objective.above) if draws else None

    def embed(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, ...]:
        """Embed drawn texts and clips, [M, projection] each, and give the texts' relevancy [M]."""
        texts, relevance = batch.texts, batch.valid.float()
        with step_rng.timed():
            if self.sentences is not None:
                texts, drawn = self.sentences.draw(batch, step_rng.on_host(batch, 1)[:, 0])
                relevance = to_device(drawn, batch.frames.device)
            tokens = self.tokens(texts)
        text, video = network(*tokens, self.pixels(batch.frames))
        return text.float(), video.float(), relevance

    def compare(self, embeddings: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Return this rank's share of the loss over the rows of all ranks."""
        text, video, relevance = embeddings
        rows, weight = local_rows(len(text)), gather(relevance) if self.objective.adaptive else None
        loss = max_margin(gather(text), gather(video), weight, margin=self.objective.margin, rows=rows)
        return {"loss": loss}

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> EpicRetrievalEvaluator:
        """Return multi-instance retrieval on `annotations` and `test_shards`."""
        return EpicRetrievalEvaluator(config, self, ranks, report)


class RetrievalV2System(RetrievalSystem):
    """EgoVLPv2 tuned likewise, as a dual encoder: what fuses its towers is left as it was (2307.05463, section 4)."""

    published_tokenizer = "roberta-base"
    towers = EgoVLPv2Dual

    def features(self, frames: Tensor) -> Tensor:
        """Return the video tower's [B, width], without its projector, as those of EgoVLPv2."""
        return self.model.video(self.pixels(frames))
