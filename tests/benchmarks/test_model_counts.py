"""Parameters and multiply-adds against the published figures and against sums by hand."""

import pytest
import torch

from benchmarks.model_counts import (
    egovlp_counts,
    egovlpv2_counts,
    joint_counts,
    macs,
    table,
    videomae_counts,
    videoprism_counts,
    videoprism_pair_counts,
)
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.counting import count_parameters
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE
from egocurate.models.videoprism.config import EncoderConfig, VideoPrismConfig
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import VideoPrism

PATCHES, WIDTH = 4 * 196, 768
# Of the last block, patches need no query, projection (2 D^2) and MLP (8 D^2), and their queries meet no keys.
UNREAD = PATCHES * (10 * WIDTH**2 + 2 * (1 + 196) * WIDTH)
UNREAD_JOINT = PATCHES * (10 * WIDTH**2 + 2 * (1 + PATCHES) * WIDTH)


def test_macs_of_a_linear_layer_and_of_attention():
    layer = torch.nn.Linear(3, 5, device="meta")
    assert macs(lambda: layer(torch.empty(7, 3, device="meta"))) == 7 * 3 * 5
    q = torch.empty(2, 4, 6, 8, device="meta")  # 2 x 4 heads: 6 queries times 6 keys times 8, for scores and for values
    assert macs(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q)) == 2 * 4 * 6 * 6 * 8 * 2


def test_egovlp():
    video, text, whole = egovlp_counts()
    assert video.parameters == 114_168_576
    assert round(whole.parameters / 1e6, 1) == 180.9
    assert (video.macs + UNREAD) / 1e9 == pytest.approx(92.3, abs=0.05)
    assert whole.macs == video.macs + text.macs


@pytest.mark.slow
def test_joint_attention_saves_a_sixth_at_4_frames():
    (joint,) = joint_counts()
    assert (joint.macs + UNREAD_JOINT) / 1e9 == pytest.approx(78.5, abs=0.05)
    assert joint.macs / egovlp_counts()[0].macs == pytest.approx(0.83, abs=0.005)


@pytest.mark.slow
def test_egovlpv2_has_the_published_size_and_its_steps_cost_less():
    dual, fused, step, again = egovlpv2_counts()
    assert round(dual.parameters / 1e6, 2) == 381.61
    # The last fused layer's own part, i2t, is a query and a projection of the patches over 15 tokens of text.
    unread = UNREAD + PATCHES * (2 * WIDTH**2 + 2 * 15 * WIDTH)
    assert (fused.macs + unread) / 1e9 == pytest.approx(105.1, abs=0.05)
    published = again.macs + UNREAD + 2 * unread
    assert published / 1e9 == pytest.approx(300.16, rel=0.02)  # 2307.05463, table 7
    shared = egovlpv2_counts(shared=True)[2]
    assert step.macs / published == pytest.approx(0.79, abs=0.005)
    assert shared.macs / published == pytest.approx(0.64, abs=0.005)


@pytest.mark.parametrize(
    ("config", "pretraining", "classifier"),
    [
        (VideoMAEConfig.small(), 24.03, 22.0),
        (VideoMAEConfig.base(), 94.21, 86.5),
        (VideoMAEConfig.large(), 317.78, 304.3),
        (VideoMAEConfig.huge(), 653.10, 632.1),
    ],
    ids="SBLH",
)
def test_videomae_has_the_published_sizes(config, pretraining, classifier):
    with torch.device("meta"):
        whole, tuned = VideoMAE(config), Classifier(ClassifierConfig(config), {"label": 400})
    assert round(count_parameters(whole) / 1e6, 2) == pretraining
    assert count_parameters(tuned) / 1e6 == pytest.approx(classifier, abs=0.06)


def test_videomae_costs_less_than_published():
    whole, tuned = videomae_counts("B", VideoMAEConfig.base())
    tokens, visible = 1568, 160
    last_map = (tokens - 1) * 4 * WIDTH**2  # of the last block's MLP, worked out for the mean alone
    assert (tuned.macs + last_map) / 1e9 == pytest.approx(180.3, abs=0.1)
    unseen_cubes = (tokens - visible) * 1536 * WIDTH  # embedded by the release, never seen
    assert (whole.macs + unseen_cubes) / 1e9 == pytest.approx(35.4, abs=0.1)


@pytest.mark.parametrize(
    ("model", "config", "millions"),
    [
        (FactorizedEncoder, EncoderConfig.base(), 114.4),
        (FactorizedEncoder, EncoderConfig.large(), 354.0),
        (FactorizedEncoder, EncoderConfig.giant(), 1112.8),
        (VideoPrism, VideoPrismConfig.base(), 247.6),  # with text, published as 248 and 580
        (VideoPrism, VideoPrismConfig.large(), 579.9),
    ],
)
def test_videoprism_has_the_published_sizes(model, config, millions):
    with torch.device("meta"):
        assert round(count_parameters(model(config)) / 1e6, 1) == millions


@pytest.mark.slow
def test_videoprism_costs_what_its_sizes_say():
    (encoder,) = videoprism_counts("B", EncoderConfig.base())
    assert round(encoder.parameters / 1e6, 1) == 114.4
    assert encoder.macs / 1e9 == pytest.approx(486.6, abs=0.05)
    (pair,) = videoprism_pair_counts("B", VideoPrismConfig.base())
    assert round(pair.parameters / 1e6, 1) == 247.6
    assert pair.macs > encoder.macs


def test_table_names_every_count():
    lines = table(egovlp_counts()).splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["EgoVLP,", "4", "frames,", "video", "114.17", "M", "87.45"]
