"""Parameters and multiply-adds against the published figures and against sums by hand."""

import pytest
import torch

from models.counts import egovlp_counts, egovlpv2_counts, joint_counts, macs, table


def test_macs_of_a_linear_layer_and_of_attention():
    layer = torch.nn.Linear(3, 5, device="meta")
    assert macs(lambda: layer(torch.empty(7, 3, device="meta"))) == 7 * 3 * 5
    q = torch.empty(2, 4, 6, 8, device="meta")  # 2 x 4 heads: 6 queries times 6 keys times 8, for scores and for values
    assert macs(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q)) == 2 * 4 * 6 * 6 * 8 * 2


def test_egovlp():
    video, text, whole = egovlp_counts()
    assert video.parameters == 114_168_576
    assert round(whole.parameters / 1e6, 1) == 180.9
    assert video.macs / 1e9 == pytest.approx(92.3, abs=0.05)
    assert whole.macs == video.macs + text.macs


def test_joint_attention_saves_15_percent_at_4_frames():
    (joint,) = joint_counts()
    assert joint.macs / 1e9 == pytest.approx(78.5, abs=0.05)
    assert joint.macs / egovlp_counts()[0].macs == pytest.approx(0.85, abs=0.005)


def test_egovlpv2_has_the_published_size_and_sharing_saves_31_percent():
    dual, fused, step, published = egovlpv2_counts()
    assert round(dual.parameters / 1e6, 2) == 381.61
    assert fused.macs / 1e9 == pytest.approx(105.1, abs=0.05)
    assert published.macs / 1e9 == pytest.approx(300.16, rel=0.02)  # 2307.05463, table 7
    shared = egovlpv2_counts(shared=True)[2]
    assert step.macs / published.macs == pytest.approx(0.85, abs=0.005)
    assert shared.macs / published.macs == pytest.approx(0.69, abs=0.005)


def test_table_names_every_count():
    lines = table(egovlp_counts()).splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["EgoVLP,", "4", "frames,", "video", "114.17", "M", "92.31"]
