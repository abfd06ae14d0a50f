"""EgoNCE, the max-margin loss, and the figures of EgoMCQ and of downstream tasks, on random predictions."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch

from benchmarks.parity.dual_encoders import EGOVLP
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import opened
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.max_margin import max_margin
from egocurate.models.metrics.average_precision import average_precision
from egocurate.models.metrics.egomcq import egomcq_accuracy
from egocurate.models.metrics.retrieval import multi_instance_retrieval
from egocurate.models.metrics.state_changes import keyframe_seconds, localization_error, state_change_accuracy

UNUSED = ("ipdb", "cv2", "ffmpeg", "humanize", "torchvision", "scipy", "sklearn", "timm", "einops")
EXACT = 1e-10
QUESTIONS, CLIPS, SENTENCES, VIDEOS, CLASSES = 400, 60, 40, 90, 20


def metrics() -> Iterator[Row]:
    """Compare the loss, and the figures in percent."""
    draw = np.random.default_rng(0)
    with opened(EGOVLP, UNUSED):
        from model import loss, metric
        from model.model import sim_matrix

        yield Row("EgoNCE, every set of positives", EGOVLP.title, 0, _egonce(loss.EgoNCE, sim_matrix), bar=1e-12)
        yield Row("max-margin loss, adaptive or not", EGOVLP.title, 0, _max_margin(loss), bar=1e-12)
        yield Row("EgoMCQ: accuracy of each type", EGOVLP.title, 0, _egomcq(metric, draw), bar=EXACT)
        yield Row("EPIC-KITCHENS-100: mAP and nDCG", EGOVLP.title, 0, _retrieval(metric, draw), bar=EXACT)
        yield Row("Charades-Ego: mAP", EGOVLP.title, 0, _charades(metric, draw), bar=EXACT)
        yield Row("OSCC: accuracy", EGOVLP.title, 0, _state_change(metric, draw), bar=EXACT)
        yield Row("PNR: error in seconds", EGOVLP.title, 0, _keyframe(metric, draw), bar=EXACT)


def _egonce(their_loss: type, sim_matrix: object) -> float:
    """Return the largest difference of the loss in float64; every row has tags, so nothing is left undecided."""
    torch.manual_seed(0)
    text, video = torch.randn(2, 24, 16, dtype=torch.float64)
    verbs, nouns = (torch.rand(24, classes) < 0.15 for classes in (6, 9))
    verbs[torch.arange(24), torch.arange(24) % 6] = nouns[torch.arange(24), torch.arange(24) % 9] = True
    masks = [sim_matrix(tags.double(), tags.double()) for tags in (verbs, nouns)]
    found = []
    with mock.patch.object(torch.Tensor, "cuda", lambda tensor: tensor):
        for positives, which in (("and", (True, True)), ("noun", (True, False)), ("verb", (False, True))):
            theirs = their_loss(noun=which[0], verb=which[1])(sim_matrix(text, video), *masks)
            mine = egonce(text, video, verbs, nouns, temperature=0.05, positives=positives)
            found.append(abs(float(mine - theirs)))
    return max(found)


def _max_margin(loss: object) -> float:
    """Return the largest difference of both losses in float64, for cosines of texts with clips."""
    torch.manual_seed(0)
    text, video = torch.nn.functional.normalize(torch.randn(2, 24, 16, dtype=torch.float64), dim=-1)
    relevance = torch.rand(24, dtype=torch.float64)
    plain, adaptive = loss.MaxMarginRankingLoss(0.2), loss.AdaptiveMaxMarginRankingLoss(0.2)
    found = (
        plain(text @ video.T) - max_margin(text, video, margin=0.2),
        adaptive(text @ video.T, relevance) - max_margin(text, video, relevance, margin=0.2),
    )
    return max(abs(float(each)) for each in found)


def _egomcq(metric: object, draw: np.random.Generator) -> float:
    """Their names of the two types are swapped: its type 1, between videos, is called Intra-video there."""
    scores = draw.standard_normal((QUESTIONS, 5)).astype(np.float32)
    answers, types = draw.integers(0, 5, QUESTIONS), draw.integers(1, 3, QUESTIONS)
    theirs = metric.egomcq_accuracy_metrics(*(torch.from_numpy(each) for each in (scores, answers, types)))
    mine = egomcq_accuracy(scores, answers, types)
    return largest(np.array([mine["inter"], mine["intra"]]), np.array([theirs["Intra-video"], theirs["Inter-video"]]))


def _retrieval(metric: object, draw: np.random.Generator) -> float:
    relevance = draw.choice([0.0, 0.25, 0.5, 1.0], (CLIPS, SENTENCES), p=[0.6, 0.2, 0.1, 0.1])
    relevance[np.arange(CLIPS), np.arange(CLIPS) % SENTENCES] = 1
    similarity = draw.random((CLIPS, SENTENCES))
    known = metric.initialise_jpose_nDCG_values(relevance)["action"]
    mine = multi_instance_retrieval(similarity, relevance)
    found = []
    for side, scores, right, kind in (("v2t", similarity, relevance, "v"), ("t2v", similarity.T, relevance.T, "t")):
        counts, ideal = known["k_values"][kind], known["IDCG"][kind]
        found.append(mine[f"ndcg_{side}"] - 100 * metric.nDCG.calculate_nDCG(scores, right, counts, IDCG=ideal))
        found.append(mine[f"map_{side}"] - 100 * metric.mAP.calculate_mAP(scores, right))
    return float(np.abs(found).max())


def _charades(metric: object, draw: np.random.Generator) -> float:
    """As the evaluation does, videos that show nothing are left out of ours; theirs ranks them last."""
    labels = draw.random((VIDEOS, CLASSES)) < 0.1
    labels[:5] = False
    labels[5 : 5 + CLASSES][np.arange(CLASSES), np.arange(CLASSES)] = True
    scores = draw.standard_normal((VIDEOS, CLASSES))
    np.NINF = -np.inf  # numpy had it once
    theirs = metric.charades_metrics(scores, labels.astype(np.int64))["mAP"]
    shows = labels.any(axis=1)
    return abs(100 * float(np.nanmean(average_precision(scores[shows], labels[shows]))) - 100 * float(theirs))


def _state_change(metric: object, draw: np.random.Generator) -> float:
    scores, labels = draw.standard_normal((VIDEOS, 2)), draw.integers(0, 2, VIDEOS)
    theirs = metric.oscc_metrics(torch.from_numpy(scores), torch.from_numpy(labels))["accuracy"]
    return abs(state_change_accuracy(scores, labels) - theirs)


def _keyframe(metric: object, draw: np.random.Generator) -> float:
    """Frames are counted at 30 per second; a window without a change is left out of both."""
    scores, changes = draw.standard_normal((VIDEOS, 16)), draw.integers(0, 2, VIDEOS)
    start = draw.integers(0, 9000, VIDEOS)
    end, change = start + 240, start + draw.integers(0, 240, VIDEOS)
    columns = (changes, np.full(VIDEOS, 30.0), start, end, change)
    theirs = metric.pnr_metrics(torch.from_numpy(scores), scores, *map(torch.from_numpy, columns))
    seconds = keyframe_seconds(scores, start / 30, end / 30)
    mine = localization_error(seconds, np.where(changes == 1, change / 30, np.nan))
    return abs(mine - float(theirs["keyframe_distance"]))
