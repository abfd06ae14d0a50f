"""Ego4D's figures of natural language queries and of moment queries, on random predictions in files that we write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np

from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import Tree, opened
from egocurate.models.metrics.moments import Moments
from egocurate.training.localization import moments_json, nlq_json
from egocurate.training.localization.moment_task import moment_figures
from egocurate.training.localization.query_task import query_figures

NLQ = Tree("EPISODIC_MEMORY_TREE", "EGO4D/episodic-memory", "NLQ/VSLNet")
MQ = Tree("EPISODIC_MEMORY_TREE", "EGO4D/episodic-memory", "MQ")
CLIPS, QUERIES, MOMENTS, FOUND, LABELS = 12, 15, 6, 60, 7
CLIP_SEC = 480.0
EXACT = 1e-10


def localization() -> Iterator[Row]:
    """Compare the figures in percent."""
    draw = np.random.default_rng(0)
    with TemporaryDirectory() as scratch:
        with opened(NLQ, ("terminaltables",)):
            yield Row("Ego4D NLQ: recall, mean IoU", NLQ.title, 0, _queries(draw, Path(scratch)), bar=EXACT)
        with opened(MQ):
            yield from _moments(draw, Path(scratch))


def _queries(draw: np.random.Generator, folder: Path) -> float:
    from utils.evaluate_ego4d_nlq import evaluate_nlq_performance

    truth = {"version": "1", "videos": [{"video_uid": "v", "clips": [_asked(draw, clip) for clip in range(CLIPS)]}]}
    (folder / "nlq_val.json").write_text(json.dumps(truth))
    queries = nlq_json.read_queries(folder / "nlq_val.json").queries
    true = nlq_json.true_windows(queries)
    windows = [_near(draw, np.repeat(window[None], 5, 0)) for window in true]
    nlq_json.write_predictions(folder / "predictions.json", queries, windows)
    written = json.loads((folder / "predictions.json").read_text())["results"]
    recall, mean = evaluate_nlq_performance(written, truth, [0.3, 0.5], [1, 5])
    mine = query_figures(windows, true)
    ours = [mine[f"R{k}@{iou}"] for iou in (0.3, 0.5) for k in (1, 5)] + [mine["mIoU"]]
    return largest(np.array(ours), 100 * np.array([*recall.ravel(), mean]))


def _asked(draw: np.random.Generator, clip: int) -> dict[str, object]:
    asked = []
    for place in range(QUERIES):
        start, end = _span(draw, 1)[0]
        asked.append({"query": f"where is {place}?", "clip_start_sec": start, "clip_end_sec": end})
    annotation = {"annotation_uid": f"a{clip}", "language_queries": asked}
    return {"clip_uid": f"c{clip}", "video_start_sec": 0, "video_end_sec": CLIP_SEC, "annotations": [annotation]}


def _moments(draw: np.random.Generator, folder: Path) -> Iterator[Row]:
    """Theirs wants the truth in a form of its own, and leaves files where it runs."""
    from Evaluation.ego4d import eval_detection
    from Evaluation.ego4d.get_retrieval_performance import Moment_Retrieval

    (folder / "moments_val.json").write_text(json.dumps({"version": "1", "videos": [_labeled(draw)]}))
    clips = moments_json.read_moments(folder / "moments_val.json").clips
    names = sorted({label for clip in clips for label in clip.labels})
    true = moments_json.true_moments(clips, names)
    count = CLIPS * FOUND
    picked = draw.integers(0, len(true.video), count)
    spans = _near(draw, true.span[picked])
    found = Moments(true.video[picked], true.label[picked], spans, draw.random(count))
    moments_json.write_predictions(folder / "moments.json", clips, found, names)
    _write_as_theirs(folder, clips)
    mine = moment_figures(found, true)
    files = {"ground_truth_filename": str(folder / "clips.json"), "subset": "val"}
    one_process = mock.patch.object(eval_detection, "Parallel", lambda n_jobs: _in_turn)
    with chdir(folder), one_process, mock.patch.object(np, "float", float, create=True):
        ious = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
        scored = eval_detection.ANETdetection(
            prediction_filename=str(folder / "detect.json"), tiou_thresholds=ious, **files
        )
        maps, _ = scored.evaluate()
        recall = Moment_Retrieval(prediction_filename=str(folder / "retrieve.json"), **files).evaluate()
    ours = np.array([mine[f"mAP@{iou:g}"] for iou in ious])
    yield Row("Ego4D MQ: mAP at five IoU", MQ.title, 0, largest(ours, 100 * maps), bar=EXACT)
    ours = np.array([[mine[f"R{k}x@{iou}"] for k in (1, 5)] for iou in (0.3, 0.5, 0.7)])
    yield Row("Ego4D MQ: recall at 1x and 5x", MQ.title, 0, largest(ours, 100 * recall[:, [0, 4]]), bar=EXACT)


def _labeled(draw: np.random.Generator) -> dict[str, object]:
    clips = []
    for clip in range(CLIPS):
        labels = [
            {"label": f"label {draw.integers(LABELS)}", "start_time": start, "end_time": end, "primary": True}
            for start, end in _span(draw, MOMENTS).tolist()
        ]
        annotations = [{"annotator_uid": "a", "labels": labels}]
        times = {"video_start_sec": 0, "video_end_sec": CLIP_SEC}
        clips.append({"clip_uid": f"c{clip}", **times, "annotations": annotations})
    return {"video_uid": "v", "split": "val", "clips": clips}


def _write_as_theirs(folder: Path, clips: list[moments_json.LabeledClip]) -> None:
    truth = {}
    for clip in clips:
        labels = [
            {"label": label, "start_time": start, "end_time": end}
            for label, (start, end) in zip(clip.labels, clip.spans.tolist(), strict=True)
        ]
        truth[clip.clip.uid] = {"subset": "val", "clip_id": clip.clip.uid, "annotations": labels}
    (folder / "clips.json").write_text(json.dumps(truth))
    submission = json.loads((folder / "moments.json").read_text())
    for name in ("detect", "retrieve"):
        results = {"version": "1.0", "external_data": "", "results": submission[f"{name}_results"]}
        (folder / f"{name}.json").write_text(json.dumps(results))


def _span(draw: np.random.Generator, count: int) -> np.ndarray:
    start = draw.uniform(0, CLIP_SEC - 20, count)
    return np.stack([start, start + draw.uniform(1, 20, count)], 1)


def _near(draw: np.random.Generator, spans: np.ndarray) -> np.ndarray:
    """Move both ends by a share of the length, so that IoU from 0 to nearly 1 are met."""
    length = spans[:, 1:] - spans[:, :1]
    return np.sort(spans + draw.normal(0, 0.4, spans.shape) * length, axis=1)


def _in_turn(calls: Iterator[tuple]) -> list[object]:
    return [function(*given, **named) for function, given, named in calls]
