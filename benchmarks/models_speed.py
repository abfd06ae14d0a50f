"""Forward and backward against transformers or a plain form on equal weights: `python -m benchmarks.models_speed`.

Both take turns in one process on one thread, in float32, by the processor's time, in which other processes do not
count; the figure is the median of the rounds' ratios. Memory is the most that a step holds above weights and
gradients, by torch's profiler.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import process_time

import torch
import transformers
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer

from benchmarks.models_naive import egovlpv2_loss, video_tower
from benchmarks.record import figure, write_record
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL, classifier_names
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.masking_and_matching import Vocabulary, mask_tokens
from egocurate.models.egovlpv2.model import EgoVLPv2, TrainingBatch
from egocurate.models.layers.configs import RobertaTextConfig, TextConfig, VideoConfig
from egocurate.models.layers.distilbert import TextTower
from egocurate.models.layers.roberta import RobertaTower
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE, draw_mask
from egocurate.models.videomae.weights import videomae_names
from egocurate.models.videoprism.config import EncoderConfig, PrismTextConfig, VideoPrismConfig
from egocurate.models.videoprism.model import VideoPrism
from egocurate.models.videoprism.weights import videoprism_names

Step = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """A name, what ours is compared with, and what makes the two steps, each returning a loss: ours, then the other."""

    name: str
    other: str
    build: Callable[[], tuple[Step, Step]]
    least: float = 1.0  # the other's time / ours, at least


def measure(cases: Sequence[Case], rounds: int = 5) -> list[dict[str, object]]:
    """Time forward and backward of each case's two steps in turn; returns a ratio per case, above 1 where we win."""
    torch.set_num_threads(1)
    figures = []
    for case in cases:
        torch.manual_seed(0)
        steps = case.build()
        timers = [Timer("step().backward()", globals={"step": step}, timer=process_time) for step in steps]
        for timer in timers:
            timer.timeit(1)  # the first time fills caches
        times = [[timer.timeit(1).median for timer in timers] for _ in range(rounds)]
        ratio = median(theirs / ours for ours, theirs in times)
        figures.append(figure(f"{case.name}: time of {case.other} / ours", ratio, "x", f"at least {case.least:g}"))
        figures.append(figure(f"{case.name}: ours", median(ours for ours, _ in times), "s"))
        for whose, step in zip(("ours", case.other), steps, strict=True):
            figures.append(figure(f"{case.name}: peak memory, {whose}", peak_bytes(step) / 2**20, "MiB"))
    return figures


def peak_bytes(step: Step) -> int:
    """Return the most bytes of tensors that forward and backward hold at once, above those there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        step().backward()
    events = (event for event in trace.profiler.kineto_results.events() if event.name() == "[memory]")
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def video(config: VideoConfig, batch: int) -> tuple[Step, Step]:
    """EgoVLP's video tower against its plain form."""
    tower, frames = VideoTower(config), _frames(config, batch)
    return lambda: tower(frames).square().sum(), lambda: video_tower(tower, frames).square().sum()


def joint(config: VideoConfig, batch: int) -> tuple[Step, Step]:
    """Joint attention against divided attention: two models of one size, not one function."""
    ours, other, frames = VideoTower(replace(config, attention="joint")), VideoTower(config), _frames(config, batch)
    return lambda: ours(frames).square().sum(), lambda: other(frames).square().sum()


def egovlpv2(config: EgoVLPv2Config, batch: int) -> tuple[Step, Step]:
    """A training step of three objectives against its plain form."""
    model = EgoVLPv2(config)
    ids, mask = _texts(config.text.vocab, batch)
    words = Vocabulary(config.text.vocab, mask_id=4, special_ids=(0, 1, 2, 3))
    tags = torch.eye(batch, dtype=torch.bool)  # all clips differ
    drawn = TrainingBatch(
        ids=ids,
        mask=mask,
        frames=_frames(config.video, batch),
        masked=mask_tokens(ids, words, torch.rand(*ids.shape, 3)),
        verbs=tags,
        nouns=tags,
        valid=torch.ones(batch, dtype=torch.bool),
        uniform=torch.rand(batch, 3),
    )
    return lambda: model(drawn).total, lambda: egovlpv2_loss(model, drawn)


def roberta(config: RobertaTextConfig, batch: int, attention: str) -> tuple[Step, Step]:
    """EgoVLPv2's text tower against transformers' class with the attention named."""
    ours = RobertaTower(config)
    sizes = transformers.RobertaConfig(**ours.model.config.to_diff_dict(), attn_implementation=attention)
    theirs = transformers.RobertaModel(sizes, add_pooling_layer=False)
    theirs.load_state_dict(ours.model.state_dict())
    ids, mask = _texts(config.vocab, batch)
    return (
        lambda: ours(ids, mask).square().sum(),
        lambda: theirs(ids, attention_mask=mask).last_hidden_state.square().sum(),
    )


def distilbert(config: TextConfig, batch: int, attention: str) -> tuple[Step, Step]:
    """EgoVLP's text tower against the transformers class that it runs, with the attention named."""
    ours = TextTower(config)
    sizes = transformers.DistilBertConfig(**ours.model.config.to_diff_dict(), attn_implementation=attention)
    theirs = transformers.DistilBertModel(sizes)
    theirs.load_state_dict(ours.model.state_dict())
    ids, mask = _texts(config.vocab, batch)
    return (
        lambda: ours(ids, mask).square().sum(),
        lambda: theirs(ids, attention_mask=mask).last_hidden_state[:, 0].square().sum(),
    )


def videomae(config: VideoMAEConfig, batch: int) -> tuple[Step, Step]:
    """Pre-training on one drawn mask."""
    ours = VideoMAE(config)
    theirs = transformers.VideoMAEForPreTraining(_videomae(config, use_mean_pooling=False))
    ours.load_state_dict(videomae_names(theirs.state_dict()))
    frames = torch.randn(batch, config.frames, 3, config.image, config.image)
    visible, masked = draw_mask(config, torch.rand(batch, config.places, generator=torch.Generator().manual_seed(0)))
    hidden = torch.zeros(batch, config.slots * config.places, dtype=torch.bool).scatter(1, masked, True)
    return lambda: ours(frames, visible, masked)[0], lambda: theirs(frames, hidden).loss


def videomae_classifier(config: VideoMAEConfig, batch: int) -> tuple[Step, Step]:
    """Fine-tuning to 174 classes."""
    ours = Classifier(ClassifierConfig(config), {LABEL: 174})
    theirs = transformers.VideoMAEForVideoClassification(_videomae(config, num_labels=174))
    ours.load_state_dict(classifier_names(theirs.state_dict()))
    frames = torch.randn(batch, config.frames, 3, config.image, config.image)
    labels = torch.arange(batch)
    return (
        lambda: torch.nn.functional.cross_entropy(ours(frames)[LABEL], labels),
        lambda: theirs(frames, labels=labels).loss,
    )


def videoprism(config: VideoPrismConfig, batch: int) -> tuple[Step, Step]:
    """Both towers of the video-text model, the sum of similarities as loss."""
    encoder, text = config.encoder, config.text
    vision_config = transformers.VideoPrismVisionConfig(
        image_size=encoder.image,
        num_frames=encoder.frames,
        tubelet_size=(1, encoder.patch, encoder.patch),
        num_spatial_layers=encoder.depth,
        num_temporal_layers=encoder.time_depth,
        num_auxiliary_layers=config.auxiliary_depth,
        hidden_size=encoder.width,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.hidden,
    )
    text_config = transformers.VideoPrismTextConfig(
        vocab_size=text.vocab,
        num_hidden_layers=text.depth,
        hidden_size=text.width,
        num_attention_heads=text.heads,
        intermediate_size=text.hidden,
        max_position_embeddings=text.max_tokens,
    )
    whole = transformers.VideoPrismConfig(text_config=text_config.to_dict(), vision_config=vision_config.to_dict())
    ours, theirs = VideoPrism(config), transformers.VideoPrismClipModel(whole)
    ours.load_state_dict(videoprism_names(theirs.state_dict(), ours))
    frames = torch.rand(batch, encoder.frames, 3, encoder.image, encoder.image)
    ids, mask = torch.randint(1, text.vocab, (batch, 16)), torch.ones(batch, 16, dtype=torch.long)

    def our_step() -> Tensor:
        words, clips = ours(ids, mask, frames)
        return (words @ clips.T).sum()

    def their_step() -> Tensor:
        out = theirs(frames, input_ids=ids, attention_mask=mask)
        return (out.text_embeds @ out.video_embeds.T).sum()

    return our_step, their_step


def _videomae(config: VideoMAEConfig, **rest: object) -> transformers.VideoMAEConfig:
    return transformers.VideoMAEConfig(
        image_size=config.image,
        patch_size=config.patch,
        num_frames=config.frames,
        tubelet_size=config.tubelet,
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,
        decoder_hidden_size=config.decoder_width,
        decoder_num_hidden_layers=config.decoder_depth,
        decoder_num_attention_heads=config.decoder_heads,
        decoder_intermediate_size=4 * config.decoder_width,
        layer_norm_eps=1e-6,
        **rest,
    )


def _frames(config: VideoConfig, batch: int) -> Tensor:
    return torch.randn(batch, config.max_frames, 3, config.image, config.image)


def _texts(vocab: int, batch: int) -> tuple[Tensor, Tensor]:
    """Narrations of 8 to 15 tokens, padded to 15."""
    mask = (torch.arange(15) < torch.randint(8, 16, (batch, 1))).long()
    return torch.where(mask.bool(), torch.randint(5, vocab, (batch, 15)), 1), mask


_MAE = VideoMAEConfig(image=112, width=384, depth=12, heads=6, decoder_width=192, decoder_heads=3)
_PRISM = VideoPrismConfig(
    EncoderConfig(image=144, frames=8, width=384, depth=6, time_depth=2, heads=6, hidden=1536),
    PrismTextConfig(vocab=2048, width=384, depth=4, heads=6, hidden=1536),
)
_TINY = VideoConfig(width=192, heads=3)  # ViT-Ti/16 on 4 frames of 224 pixels
_V2 = EgoVLPv2Config(
    video=VideoConfig(image=112, width=192, heads=3, eps=1e-5),
    text=RobertaTextConfig(vocab=2048, width=192, heads=3, dropout=0.0),
    projection=1024,
)
_ROBERTA = RobertaTextConfig(vocab=2048, width=384, heads=6, dropout=0.0)
_DISTILBERT = TextConfig(vocab=2048, width=384, heads=6, dropout=0.0)
CASES = (
    Case("EgoVLP, video tower, ViT-Ti", "a plain form", lambda: video(_TINY, 1), 1.3),
    Case("EgoVLP, video tower, ViT-Ti, joint attention", "divided attention", lambda: joint(_TINY, 1)),
    Case("EgoVLPv2, a step of 4 pairs, ViT-Ti on 112 pixels", "a plain form", lambda: egovlpv2(_V2, 4)),
    Case("RoBERTa, width 384", "transformers (eager)", lambda: roberta(_ROBERTA, 16, "eager")),
    Case("RoBERTa, width 384", "transformers (sdpa)", lambda: roberta(_ROBERTA, 16, "sdpa")),
    Case("DistilBERT, width 384", "transformers (eager)", lambda: distilbert(_DISTILBERT, 16, "eager")),
    Case("DistilBERT, width 384", "transformers (sdpa)", lambda: distilbert(_DISTILBERT, 16, "sdpa")),
    Case("VideoMAE-S on 112 pixels, pre-training", "transformers", lambda: videomae(_MAE, 2)),
    Case("VideoMAE-S on 112 pixels, classifier", "transformers", lambda: videomae_classifier(_MAE, 1)),
    Case("VideoPrism, half the width of B on 144 pixels", "transformers", lambda: videoprism(_PRISM, 1)),
)


def main() -> None:
    """Measure all cases and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each step is timed (default 5)")
    write_record("models_speed", measure(CASES, parser.parse_args().rounds))


if __name__ == "__main__":
    main()
