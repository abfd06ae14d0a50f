"""Query-focused summaries: the score of random summaries by the published tags of UT-Ego, and where a video changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import Tree, opened
from egocurate.models.localization.kernel_segments import kernel_segments
from egocurate.training.localization.qfvs_files import END, SUMMARIES, TAGS, read_qfvs
from egocurate.training.localization.summary_task import summary_figures

TREE = Tree("EGOVLPV2_TREE", "facebookresearch/EgoVLPv2", "QFVS")
SUMMARIES_OF_EACH, SHARE = 12, 0.02
EXACT = 1e-10
VIDEOS, SHOTS = 6, 120


def summaries() -> Iterator[Row]:
    """Compare precision, recall and F1 in percent, then the segments of random videos."""
    draw = np.random.default_rng(0)
    with opened(TREE), TemporaryDirectory() as scratch:
        yield Row(
            "QFVS: precision, recall, F1 by UT-Ego's tags", TREE.title, 0, _scores(draw, Path(scratch)), bar=EXACT
        )
        yield Row("QFVS: kernel temporal segmentation", TREE.title, 0, _segments(draw), bar=EXACT)


def _scores(draw: np.random.Generator, folder: Path) -> float:
    """Both score summaries that are drawn, near others that are drawn; ours reads all from files as published."""
    from semantic_evaluation import calculate_semantic_matching, load_videos_tag

    tags = [video > 0 for video in load_videos_tag("Tags.mat")]
    true = [[_drawn(draw, len(video)) for _ in range(SUMMARIES_OF_EACH)] for video in tags]
    _write(folder, tags, true)
    videos, _ = read_qfvs(folder)
    ours, theirs = [], []
    for number, video in enumerate(videos):
        chosen = [_drawn(draw, len(video.shows)) for _ in video.summaries]
        figures = summary_figures(video, chosen)
        ours.append([figures[name] for name in ("precision", "recall", "F1")])
        pairs = zip(chosen, true[number], strict=True)
        scores = [calculate_semantic_matching(list(a), list(b), load_videos_tag("Tags.mat"), number) for a, b in pairs]
        theirs.append(100 * np.mean(scores, axis=0))
    return largest(np.array(ours), np.array(theirs))


def _write(folder: Path, tags: Sequence[np.ndarray], true: Sequence[Sequence[np.ndarray]]) -> None:
    for number, (video, of_video) in enumerate(zip(tags, true, strict=True), 1):
        name = f"P{number:02d}"
        lines = [",".join(f"concept{place}" for place in np.flatnonzero(shot)) for shot in video]
        for path in (folder / TAGS / name, folder / SUMMARIES / name):
            path.mkdir(parents=True)
        (folder / TAGS / name / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        for place, shots in enumerate(of_video):
            text = "".join(f"{shot + 1}\n" for shot in shots)
            (folder / SUMMARIES / name / f"concept0_query{place:02d}{END}").write_text(text)


def _drawn(draw: np.random.Generator, count: int) -> np.ndarray:
    """Return some shots; of other summaries other numbers of them."""
    return np.sort(draw.choice(count, int(draw.integers(0.5 * SHARE * count, 2 * SHARE * count)), replace=False))


def _segments(draw: np.random.Generator) -> float:
    """Videos of scenes; both divide them into at most 12 segments."""
    from segment import cpd_auto

    differences = []
    for _ in range(VIDEOS):
        scenes = draw.normal(size=(8, 16)).repeat(SHOTS // 8, 0)
        rows = scenes + draw.normal(scale=draw.uniform(0.5, 3), size=scenes.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        theirs, _ = cpd_auto(rows @ rows.T, 11, 1, verbose=False)
        ours = kernel_segments(rows, most=12, longest=SHOTS)
        differences.append(largest(ours, np.array([0, *theirs, SHOTS])))
    return max(differences)
