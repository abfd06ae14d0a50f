"""Forward and backward, ours against transformers' on equal weights: `python -m benchmarks.models_speed`.

Both take turns in one process on one thread, in float32, by the processor's time, in which other processes do not
count; the figure is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time

import torch
import transformers
from torch import Tensor
from torch.utils.benchmark import Timer

from benchmarks.record import figure, write_record
from models.factorised import EncoderConfig
from models.videomae import VideoMAE, VideoMAEClassifier, VideoMAEConfig, draw_mask
from models.videoprism import PrismTextConfig, VideoPrism, VideoPrismConfig
from models.weights_videomae import videomae_names
from models.weights_videoprism import videoprism_names

Step = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """A name and what makes the two steps to compare: ours, then transformers', each returning a loss."""

    name: str
    build: Callable[[], tuple[Step, Step]]


def measure(cases: Sequence[Case], rounds: int = 5) -> list[dict[str, object]]:
    """Time forward and backward of each case's two steps in turn; returns a ratio per case, above 1 where we win."""
    torch.set_num_threads(1)
    figures = []
    for case in cases:
        torch.manual_seed(0)
        timers = [Timer("step().backward()", globals={"step": step}, timer=process_time) for step in case.build()]
        for timer in timers:
            timer.timeit(1)  # the first time fills caches
        times = [[timer.timeit(1).median for timer in timers] for _ in range(rounds)]
        ratio = median(theirs / ours for ours, theirs in times)
        figures.append(figure(f"{case.name}: transformers' time / ours", ratio, "x", "at least 1"))
        figures.append(figure(f"{case.name}: ours", median(ours for ours, _ in times), "s"))
    return figures


def videomae(config: VideoMAEConfig, batch: int) -> tuple[Step, Step]:
    """Pre-training on one drawn mask."""
    ours = VideoMAE(config)
    theirs = transformers.VideoMAEForPreTraining(_videomae(config, use_mean_pooling=False))
    ours.load_state_dict(videomae_names(theirs.state_dict(), ours))
    frames = torch.randn(batch, config.frames, 3, config.image, config.image)
    visible, masked = draw_mask(config, batch, torch.Generator().manual_seed(0))
    hidden = torch.zeros(batch, config.slots * config.places, dtype=torch.bool).scatter(1, masked, True)
    return lambda: ours(frames, visible, masked)[0], lambda: theirs(frames, hidden).loss


def videomae_classifier(config: VideoMAEConfig, batch: int) -> tuple[Step, Step]:
    """Fine-tuning to 174 classes."""
    ours = VideoMAEClassifier(config, 174)
    theirs = transformers.VideoMAEForVideoClassification(_videomae(config, num_labels=174))
    ours.load_state_dict(videomae_names(theirs.state_dict(), ours))
    frames = torch.randn(batch, config.frames, 3, config.image, config.image)
    labels = torch.arange(batch)
    return (
        lambda: torch.nn.functional.cross_entropy(ours(frames), labels),
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


_MAE = VideoMAEConfig(image=112, width=384, depth=12, heads=6, decoder_width=192, decoder_heads=3)
_PRISM = VideoPrismConfig(
    EncoderConfig(image=144, frames=8, width=384, depth=6, time_depth=2, heads=6, hidden=1536),
    PrismTextConfig(vocab=2048, width=384, depth=4, heads=6, hidden=1536),
)
CASES = (
    Case("VideoMAE-S on 112 pixels, pre-training", lambda: videomae(_MAE, 2)),
    Case("VideoMAE-S on 112 pixels, classifier", lambda: videomae_classifier(_MAE, 1)),
    Case("VideoPrism, half the width of B on 144 pixels", lambda: videoprism(_PRISM, 1)),
)


def main() -> None:
    """Measure all cases and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each step is timed (default 5)")
    write_record("models_speed", measure(CASES, parser.parse_args().rounds))


if __name__ == "__main__":
    main()
