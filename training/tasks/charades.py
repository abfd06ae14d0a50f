"""Charades-Ego, zero-shot and tuned: the actions of a whole video by the cosine of its embedding with 157 phrases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.videos.whole_videos import WholeVideos
from egocurate.models.metrics.average_precision import average_precision
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import Embedder, answering
from egocurate.training.tasks.eval_batch import embedder_of
from egocurate.training.tasks.tables import read_rows

if TYPE_CHECKING:
    from egocurate.training.systems.base import System

_ID = re.compile(r"[A-Za-z0-9_-]+")  # of which a file is called
VIDEOS, CLASSES = "CharadesEgo_v1_test_only1st.csv", "Charades_v1_classes.txt"
VIDEO_FOLDER = "CharadesEgo_v1_480"


class Charades(NamedTuple):
    """The benchmark: videos by id, which classes each shows, and the classes' phrases."""

    ids: list[str]
    labels: np.ndarray  # bool [N, C]
    phrases: list[str]


def read_charades(folder: Path) -> Charades:
    """Read Charades-Ego's files as published; raises InputError for files that are not so.

    A line of the classes is "c000 Holding some clothes"; a video's actions are "c092 11.90 21.20;c147 0.00 12.60".
    """
    phrases: dict[str, str] = {}
    try:
        for line in (folder / CLASSES).read_text().splitlines():
            code, _, phrase = line.strip().partition(" ")
            if code:
                phrases[code] = phrase.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / CLASSES}: cannot be read; give the folder with Charades-Ego's files") from error
    rows = read_rows(folder / VIDEOS, {"id": ("id",), "actions": ("actions",)})
    odd = [row["id"] for row in rows if not _ID.fullmatch(row["id"])]
    if odd:
        raise InputError(f"{folder / VIDEOS}: id {odd[0]!r} is no name of a video; take it as published")
    place = {code: i for i, code in enumerate(phrases)}
    labels = np.zeros((len(rows), len(phrases)), bool)
    for number, row in enumerate(rows):
        codes = [action.split()[0] for action in row["actions"].split(";") if action.strip()]
        unknown = [code for code in codes if code not in place]
        if unknown:
            raise InputError(f"{folder / VIDEOS}: {row['id']} shows {unknown[0]!r}, which {CLASSES} does not list")
        labels[number, [place[code] for code in codes]] = True
    return Charades([row["id"] for row in rows], labels, list(phrases.values()))


class CharadesEvaluator:
    """Tells the actions of the whole videos of `annotations`; without that folder there are no figures.

    The videos are in CharadesEgo_v1_480 beside that folder, as they are published.
    """

    title, prefix = "Charades-Ego", "test"

    def __init__(self, config: TrainConfig, system: System, ranks: Ranks, report: Report) -> None:
        """Read the benchmark; raises InputError for files that are not as published."""
        self.config, self.system, self.ranks, self.report = config, system, ranks, report
        if config.test_shards:
            raise InputError(
                "Charades-Ego is tested on whole videos, not on --test-shards: give --annotations, the folder "
                f"CharadesEgo with {VIDEOS}, and have the videos in {VIDEO_FOLDER} beside it"
            )
        if config.annotations:
            read_charades(Path(config.annotations))

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return the mAP of `charades_ego` and the videos left out, the same on every rank."""
        if not self.config.annotations:
            return {}, []
        folder = Path(self.config.annotations)
        with answering(self.system.model):
            embedder = embedder_of(self.config, self.system, self.ranks)
            videos = folder.absolute().parent / VIDEO_FOLDER
            return charades_ego(folder, videos, self.config.data, embedder, self.report)


def charades_ego(
    folder: Path, videos: Path, data: StreamConfig, embedder: Embedder, report: Report
) -> tuple[dict[str, float], list[str]]:
    """Return mAP in percent, the mean over classes that any video shows, and the videos left out, with the reason.

    A video is left out if it is not there or cannot be read. Videos without an action do not count, as in published
    code, which ranks them last. Raises InputError if no video can be had.
    """
    benchmark = read_charades(folder)
    rows = np.flatnonzero(benchmark.labels.any(axis=1))
    paths = [videos / f"{benchmark.ids[row]}.mp4" for row in rows]
    if not any(path.is_file() for path in paths):
        raise InputError(f"{videos}: none of the {len(paths)} videos is there, as {paths[0].name if paths else 'any'}")
    video, failures = embedder.clips(
        WholeVideos(paths, frames=data.frames, size=data.size), "Charades-Ego videos", report
    )
    decoded = [place for place in range(len(rows)) if place not in failures]
    if not decoded:
        raise InputError(f"{videos}: no video can be read ({failures[0]})")
    scores = video[decoded] @ embedder.texts(benchmark.phrases).T
    precisions = average_precision(scores.double().cpu().numpy(), benchmark.labels[rows[decoded]])
    left_out = [f"{benchmark.ids[rows[place]]} ({reason})" for place, reason in failures.items()]
    return {"map": 100 * float(np.nanmean(precisions))}, left_out
