"""Parameters and multiply-adds of the models for a clip and a text: `python -m benchmarks.model_counts` prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL
from egocurate.models.counting import FlopCounter, count_parameters
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE
from egocurate.models.videoprism.config import EncoderConfig, VideoPrismConfig
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import VideoPrism

TEXT_TOKENS = 15  # of a narration, as the release of EgoVLPv2 pads it
CLASSES = 174  # of Something-Something, which VideoMAE is tuned to


class Count(NamedTuple):
    """A model, or a part of its work: its parameters and the multiply-adds of one forward pass."""

    name: str
    parameters: int
    macs: float


def macs(run: Callable[[], object]) -> float:
    """Count the multiply-adds of one forward pass `run`, whose model is on the meta device."""
    # Fake tensors, because transformers looks into masks, and a meta tensor has nothing to look at.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), FlopCounter() as counter:
        run()
    return counter.flops / 2


def egovlp_counts(frames: int = 4) -> list[Count]:
    """Count EgoVLP's towers on one clip of `frames` and one text."""
    config = EgoVLPConfig(video=VideoConfig(max_frames=frames))
    model = _meta(lambda: EgoVLP(config))
    clip, ids, mask = _sample(frames)
    video, text = macs(lambda: model.encode_video(clip)), macs(lambda: model.encode_text(ids, mask))
    return [
        Count(f"EgoVLP, {frames} frames, video", count_parameters(model.video), video),
        Count(f"EgoVLP, {frames} frames, text", count_parameters(model.text), text),
        Count(f"EgoVLP, {frames} frames", count_parameters(model), video + text),
    ]


def joint_counts(frames: int = 4) -> list[Count]:
    """Count EgoVLP's video tower with joint attention."""
    config = EgoVLPConfig(video=VideoConfig(max_frames=frames, attention="joint"))
    model = _meta(lambda: EgoVLP(config))
    clip, *_ = _sample(frames)
    return [
        Count(
            f"EgoVLP, {frames} frames, video, joint",
            count_parameters(model.video),
            macs(lambda: model.encode_video(clip)),
        )
    ]


def egovlpv2_counts(shared: bool = False) -> list[Count]:
    """Count EgoVLPv2's modes on one clip and one text, and the three losses of a training step.

    The step is one pass of the dual encoder, one of the lower layers for fusing (none if shared), one of the fused
    layers for masked tokens and one for matching; the published step runs the lower layers again for each of the two.
    """
    model = _meta(lambda: EgoVLPv2(replace(EgoVLPv2Config.base(), shared=shared)))
    frames = model.config.video.max_frames
    clip, ids, mask = _sample(frames)
    masked = round(0.15 * TEXT_TOKENS)
    hidden = torch.empty(masked, model.text.width, device="meta")
    dual = macs(lambda: (model.encode_video(clip), model.encode_text(ids, mask)))
    lower_video = macs(lambda: model.lower_video(clip))
    lower_text = macs(lambda: model.lower_text(ids, mask))
    match = macs(lambda: model.match(model.lower_video(clip), model.lower_text(ids, mask)))
    fused = match - lower_video - lower_text
    head = macs(lambda: model.mlm_head(model.text_transform(hidden)))
    name = "EgoVLPv2, shared" if shared else "EgoVLPv2"
    step = dual + (0 if shared else lower_video) + lower_text + 2 * fused + head
    return [
        Count(f"{name}, dual", count_parameters(model), dual),
        Count(f"{name}, fused", count_parameters(model), match),
        Count(f"{name}, training step", count_parameters(model), step),
        Count(f"{name}, step with nothing reused", count_parameters(model), dual + 2 * match + head),
    ]


def videomae_counts(size: str, config: VideoMAEConfig) -> list[Count]:
    """Count VideoMAE's pre-training, where nine tenths of the cubes are hidden, and its classifier on one clip."""
    model, classifier = (
        _meta(lambda: VideoMAE(config)),
        _meta(lambda: Classifier(ClassifierConfig(config), {LABEL: CLASSES})),
    )
    frames = torch.empty(1, config.frames, 3, config.image, config.image, device="meta")
    hidden = int(config.mask_ratio * config.places)
    visible, masked = (
        torch.zeros(1, config.slots * places, dtype=torch.long, device="meta")
        for places in (config.places - hidden, hidden)
    )
    return [
        Count(f"VideoMAE-{size}, pre-training", count_parameters(model), macs(lambda: model(frames, visible, masked))),
        Count(f"VideoMAE-{size}, classifier", count_parameters(classifier), macs(lambda: classifier(frames))),
    ]


def videoprism_counts(size: str, config: EncoderConfig) -> list[Count]:
    """Count VideoPrism's encoder on one clip of the size it was published for."""
    model = _meta(lambda: FactorizedEncoder(config))
    frames = torch.empty(1, config.frames, 3, config.image, config.image, device="meta")
    return [
        Count(
            f"VideoPrism-{size}, encoder, {config.frames} frames", count_parameters(model), macs(lambda: model(frames))
        )
    ]


def videoprism_pair_counts(size: str, config: VideoPrismConfig) -> list[Count]:
    """Count VideoPrism's video-text model on one clip and one text as long as its longest."""
    model, encoder = _meta(lambda: VideoPrism(config)), config.encoder
    frames = torch.empty(1, encoder.frames, 3, encoder.image, encoder.image, device="meta")
    ids = torch.zeros(1, config.text.max_tokens, dtype=torch.long, device="meta")
    return [
        Count(
            f"VideoPrism-{size}, video-text, {encoder.frames} frames",
            count_parameters(model),
            macs(lambda: model(ids, torch.ones_like(ids), frames)),
        )
    ]


def all_counts() -> Iterator[Count]:
    """Count every model at its published sizes."""
    for frames in (4, 16):
        yield from egovlp_counts(frames)
        yield from joint_counts(frames)
    for shared in (False, True):
        yield from egovlpv2_counts(shared)
    masked = {"S": VideoMAEConfig.small, "B": VideoMAEConfig.base, "L": VideoMAEConfig.large, "H": VideoMAEConfig.huge}
    for size, config in masked.items():
        yield from videomae_counts(size, config())
    for size, encoder in {"B": EncoderConfig.base, "L": EncoderConfig.large, "g": EncoderConfig.giant}.items():
        yield from videoprism_counts(size, encoder())
    for size, pair in {"B": VideoPrismConfig.base, "L": VideoPrismConfig.large}.items():
        yield from videoprism_pair_counts(size, pair())


def table(counts: Iterable[Count]) -> str:
    """Return the counts as lines of text."""
    lines = [f"{'model':<44}{'parameters':>14}{'GMACs':>10}"]
    lines += [f"{count.name:<44}{count.parameters / 1e6:>12.2f} M{count.macs / 1e9:>10.2f}" for count in counts]
    return "\n".join(lines)


def _meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build().eval()


def _sample(frames: int) -> tuple[Tensor, Tensor, Tensor]:
    clip = torch.empty(1, frames, 3, 224, 224, device="meta")
    ids = torch.zeros(1, TEXT_TOKENS, dtype=torch.long, device="meta")
    return clip, ids, torch.ones_like(ids)


if __name__ == "__main__":
    print(table(all_counts()))
