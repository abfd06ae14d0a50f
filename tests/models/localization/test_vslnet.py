"""VSLNet: what lies behind the end of a row does not matter, its losses, and the spans that are chosen."""

import numpy as np
import pytest
import torch

from egocurate.models.localization.choose import best_spans, soft_nms
from egocurate.models.localization.config import VSLNetConfig
from egocurate.models.localization.query_localizer import QueryLocalizer
from egocurate.models.localization.vslnet import SpanLogits, span_loss
from egocurate.models.metrics.intervals import interval_iou

CONFIG = VSLNetConfig(width=16, heads=2, convolutions=2, dropout=0.0)


@pytest.mark.parametrize(("tokens", "sentence"), [(0, 0), (0, 6), (0, 12), (5, 0), (5, 12)])
def test_padding_changes_nothing(tokens, sentence):
    torch.manual_seed(0)
    model = QueryLocalizer(CONFIG, video_width=12, words=9, token_width=tokens, sentence_width=sentence)
    video, words = torch.randn(2, 10, 12), torch.tensor([[3, 4, 0], [5, 6, 7]])
    said = words > 0
    if tokens:
        words = torch.randn(2, 3, tokens)  # also behind the end of a text, where nothing is read
    seen = torch.arange(10) < torch.tensor([[10], [7]])
    embedded = torch.randn(2, sentence)
    both = model(video, seen, words, said, embedded)
    alone = model(video[1:, :7], seen[1:, :7], words[1:], said[1:], embedded[1:])
    more_words = model(video[:1], seen[:1], words[:1, :2], said[:1, :2], embedded[:1])
    for part in range(3):
        torch.testing.assert_close(both[part][1, :7], alone[part][0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(both[part][0], more_words[part][0], atol=1e-5, rtol=1e-5)
        assert (both[part][1, 7:] < -1000).all()


def test_the_losses_are_those_of_the_paper():
    logits = SpanLogits(*torch.randn(3, 1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    seen = torch.tensor([[True, True, True, True, False]])
    loss = span_loss(logits, torch.tensor([[1, 2]]), seen, VSLNetConfig(extend=0.5))
    ends = -(logits.start.log_softmax(1)[0, 1] + logits.end.log_softmax(1)[0, 2]) / 2
    target = torch.tensor([1, 1, 1, 1], dtype=torch.float64)  # two positions, one more on each side
    p = logits.highlight.sigmoid()[0, :4]
    highlight = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    torch.testing.assert_close(loss["loss"], ends + 5 * highlight)


def test_the_best_spans_are_those_of_brute_force():
    draw = np.random.default_rng(0)
    for _ in range(20):
        start, end = draw.dirichlet(np.ones(12), 2)
        spans = best_spans(start, end, top=3, most_iou=0.5)
        every = sorted(((start[i] * end[j], i, j) for i in range(12) for j in range(i, 12)), key=lambda one: -one[0])
        kept = []
        for _, i, j in every:
            ious = [interval_iou(np.array([i, j + 1]), np.array([a, b + 1])) for a, b in kept]
            if all(iou <= 0.5 for iou in ious):
                kept.append((i, j))
        assert spans.tolist() == [list(one) for one in kept[:3]]


def test_a_moment_that_says_the_same_again_comes_later():
    spans = np.array([[0, 10], [0.5, 10], [20, 30]], float)
    kept = soft_nms(spans, np.array([0.9, 0.8, 0.5]))
    assert kept[:, 0].tolist() == [0, 2, 1]
    assert kept[2, 1] == pytest.approx(0.8 * np.exp(-(0.95**2) / 0.5))
