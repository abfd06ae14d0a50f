"""Retrieval of videos by sentences and of sentences by videos, as MSR-VTT is asked: R@1, R@5, R@10, median rank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.loaders.videos.long_videos import find_videos
from egocurate.loaders.videos.whole_videos import WholeVideos
from egocurate.models.metrics.ranks import answer_ranks, best_answer_ranks, dual_softmax, retrieval_figures
from egocurate.progress import Report
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.tables import read_rows

STAGE = "videos to retrieve"


class Captions(NamedTuple):
    """V videos by id, in the order of the file, S sentences, and the video int64 [S] that each is of."""

    videos: list[str]
    sentences: list[str]
    owners: np.ndarray

    def of_videos(self, rows: np.ndarray) -> Captions:
        """Return those of some videos, int64 ascending."""
        kept = np.isin(self.owners, rows)
        sentences = [text for text, is_kept in zip(self.sentences, kept, strict=True) if is_kept]
        return Captions([self.videos[row] for row in rows], sentences, np.searchsorted(rows, self.owners[kept]))


@dataclass(frozen=True)
class RetrievalTest:
    """A csv of captions, and where the videos are: a folder of shards, or one of video files, exactly one."""

    captions: Path
    shards: str = ""
    videos: str = ""
    dual_softmax: bool = False
    """whether figures with `models.metrics.ranks.dual_softmax` are given beside"""


def read_captions(path: Path) -> Captions:
    """Read columns video_id and sentence, a row a caption, as MSR-VTT's; a video may have several.

    Raises InputError for a file without them, or with an empty cell.
    """
    rows = read_rows(path, {"video_id": ("video_id",), "sentence": ("sentence", "caption")})
    for number, row in enumerate(rows, 1):
        empty = next((name for name, cell in row.items() if not cell.strip()), None)
        if empty:
            raise InputError(f"{path}: row {number}: {empty} is empty; write it, or leave the row out")
    place: dict[str, int] = {}
    owners = [place.setdefault(row["video_id"].strip(), len(place)) for row in rows]
    return Captions(list(place), [" ".join(row["sentence"].split()) for row in rows], np.array(owners, np.int64))


def video_retrieval(
    test: RetrievalTest, data: StreamConfig, embedder: Embedder, report: Report
) -> tuple[dict[str, float], list[str]]:
    """Return `retrieval_by_cosines`, and the videos left out, named, with the reason; their sentences go with them.

    A video of several clips in shards is the mean of their unit embeddings, and is left out if one does not decode.
    Every rank calls this, and all get the same. Raises InputError if no video can be had.
    """
    captions = read_captions(test.captions)
    find = _in_shards if test.shards else _in_folder
    rows, reasons = find(test, captions.videos, data, embedder, report)
    there = np.array([row for row in range(len(captions.videos)) if row not in reasons], np.int64)
    if not len(there):
        raise InputError(
            f"{test.shards or test.videos}: none of the {len(captions.videos):,} videos of {test.captions} can be had "
            f"({captions.videos[0]!r}: {reasons[0]})"
        )
    asked = captions.of_videos(there)
    similarity = (rows[torch.from_numpy(there)] @ embedder.texts(asked.sentences).T).double().cpu().numpy()
    figures = retrieval_by_cosines(similarity, asked.owners)
    if test.dual_softmax:
        figures |= {f"dual_softmax_{name}": value for name, value in _weighted(similarity, asked.owners).items()}
    return figures, [f"{captions.videos[row]} ({reason})" for row, reason in sorted(reasons.items())]


def retrieval_by_cosines(similarity: np.ndarray, owners: np.ndarray) -> dict[str, float]:
    """Return "t2v_r@1" and the like: recalls in percent and "median_rank", of similarity [V, S] and owners int [S].

    t2v: a sentence asks for its video; v2t: a video asks for sentences, and its first own one counts.
    """
    return _directions(answer_ranks(similarity.T, owners), best_answer_ranks(similarity, owners))


def _weighted(similarity: np.ndarray, owners: np.ndarray) -> dict[str, float]:
    to_video, to_text = dual_softmax(similarity.T), dual_softmax(similarity)
    return _directions(answer_ranks(to_video, owners), best_answer_ranks(to_text, owners))


def _directions(to_video: np.ndarray, to_text: np.ndarray) -> dict[str, float]:
    sides = {"t2v": retrieval_figures(to_video), "v2t": retrieval_figures(to_text)}
    return {f"{side}_{name}": value for side, found in sides.items() for name, value in found.items()}


def _in_shards(
    test: RetrievalTest, videos: list[str], data: StreamConfig, embedder: Embedder, report: Report
) -> tuple[Tensor, dict[int, str]]:
    """Return the embedding [V, D] of each video, of length 1, and which cannot be had, with the reason."""
    index = ShardIndex.open(test.shards)
    place = {uid: row for row, uid in enumerate(videos)}
    owners = np.array([place.get(index.row(sample).video_uid, -1) for sample in range(len(index))], np.int64)
    samples = np.flatnonzero(owners >= 0)
    clips = EvaluationClips(index, samples, frames=data.frames, size=data.size, decoder=data.decoder)
    rows, failures = embedder.clips(clips, STAGE, report)
    of_video = torch.zeros(len(videos), rows.shape[1], device=rows.device)
    of_video.index_add_(0, torch.from_numpy(owners[samples]).to(rows.device), rows)
    reasons = dict.fromkeys(set(range(len(videos))) - set(owners.tolist()), "not in the shards")
    for clip, reason in failures.items():
        reasons.setdefault(int(owners[samples[clip]]), reason)
    return unit_rows(of_video), reasons


def _in_folder(
    test: RetrievalTest, videos: list[str], data: StreamConfig, embedder: Embedder, report: Report
) -> tuple[Tensor, dict[int, str]]:
    """Return what `_in_shards` does, of whole video files, each one clip."""
    paths = find_videos(test.videos)
    there = [row for row, name in enumerate(videos) if name in paths]
    whole = WholeVideos([paths[videos[row]] for row in there], frames=data.frames, size=data.size)
    rows, failures = embedder.clips(whole, STAGE, report)
    of_video = torch.zeros(len(videos), rows.shape[1], device=rows.device)
    of_video[torch.tensor(there, dtype=torch.int64, device=rows.device)] = rows
    reasons = dict.fromkeys(set(range(len(videos))) - set(there), "not there")
    return of_video, reasons | {there[place]: reason for place, reason in failures.items()}
