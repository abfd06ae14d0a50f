"""Multi-instance retrieval on EPIC-KITCHENS-100: which sentences belong to a clip, which clips to a sentence?"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from loaders import InputError, Report, ShardIndex, clip_key
from loaders.augment import centre_view, show
from loaders.config import StreamConfig
from loaders.dataset import BadSample, read_frames
from loaders.decode import first_loading
from loaders.frames import segments_middle
from models.metrics_retrieval import Actions, multi_instance_retrieval, relevancy
from training.evaluation.embed import Embedder
from training.evaluation.tables import read_rows

CLIPS, SENTENCES = "EPIC_100_retrieval_test.csv", "EPIC_100_retrieval_test_sentence.csv"
PASS = "narration_pass_1"  # under which shards know EPIC's narrations
_ID = re.compile(r"(.+)_(\d+)")


class Retrieval(NamedTuple):
    """The benchmark: clips by narration id, sentences, and what both say."""

    ids: list[str]
    clips: Actions
    sentences: list[str]
    said: Actions


def read_retrieval(folder: Path) -> Retrieval:
    """Read the folder `retrieval_annotations` as published; raises InputError for files that are not so.

    A sentence has the classes of the clip whose narration id it bears. Older copies call its columns index, sentence.
    """
    wanted = ("narration_id", "verb_class", "all_noun_classes")
    rows = read_rows(folder / CLIPS, {name: (name,) for name in wanted})
    sentences = read_rows(
        folder / SENTENCES, {"narration_id": ("narration_id", "index"), "narration": ("narration", "sentence")}
    )
    verbs, nouns = [], []
    for row in rows:
        try:
            verbs.append(int(row["verb_class"]))
            nouns.append({int(noun) for noun in ast.literal_eval(row["all_noun_classes"])})
        except (ValueError, SyntaxError, TypeError) as error:
            raise InputError(
                f"{folder / CLIPS}: {row['narration_id']} has classes {error}; take it as published"
            ) from error
    place = {row["narration_id"]: i for i, row in enumerate(rows)}
    unknown = [row["narration_id"] for row in sentences if row["narration_id"] not in place]
    if unknown:
        raise InputError(f"{folder / SENTENCES}: {unknown[0]!r} is not in {CLIPS}; both must be of one version")
    of = [place[row["narration_id"]] for row in sentences]
    said = Actions(np.array([verbs[i] for i in of]), [nouns[i] for i in of])
    clips = Actions(np.array(verbs), nouns)
    ids = [row["narration_id"] for row in rows]
    return Retrieval(ids, clips, [row["narration"].strip() for row in sentences], said)


def epic_retrieval(
    folder: Path, shards: str, shown: StreamConfig, embedder: Embedder, report: Report
) -> tuple[dict[str, float], list[str]]:
    """Return mAP and nDCG in percent (`multi_instance_retrieval`), and the narration ids that have no clip.

    Raises InputError if the shards have none of the clips. Similarity is (cos + 1) / 2.
    """
    asked = read_retrieval(folder)
    index = ShardIndex.open(shards)
    sample = [_sample(index, narration) for narration in asked.ids]
    there = [i for i, found in enumerate(sample) if found >= 0]
    if not there:
        raise InputError(
            f"{shards}: has none of the {len(asked.ids)} clips of {folder / CLIPS}, as {clip_name(asked.ids[0])}; "
            f"cut them with `curate shards --egoclip {folder / CLIPS} --source epic-kitchens --root EPIC --out S`"
        )
    clips = ShardClips(index, [sample[i] for i in there], shown)
    video, failed = embedder.clips(clips, "EPIC-KITCHENS-100 clips", report)
    kept = [place for place in range(len(there)) if place not in failed]
    if not kept:
        raise InputError(f"{shards}: none of its clips decodes ({failed[0]}); run `curate verify` on the shards")
    text = embedder.texts(asked.sentences)
    similarity = (video[kept] @ text.T + 1) / 2
    rows = [there[place] for place in kept]
    of_clips = Actions(asked.clips.verb[rows], [asked.clips.nouns[i] for i in rows])
    figures = multi_instance_retrieval(similarity.double().cpu().numpy(), relevancy(of_clips, asked.said))
    left_out = set(range(len(asked.ids))) - set(rows)
    return figures, [asked.ids[i] for i in sorted(left_out)]


def clip_name(narration: str) -> str:
    """Return the key under which shards have the clip of a narration id; InputError for one that is not EPIC's."""
    parts = _ID.fullmatch(narration)
    if not parts:
        raise InputError(f"narration id {narration!r}: EPIC's end in a number, as P01_11_0 does")
    return clip_key(parts[1], PASS, int(parts[2]))


def _sample(index: ShardIndex, narration: str) -> int:
    try:
        return index.find(clip_name(narration))
    except InputError:
        return -1


class ShardClips(Dataset):
    """Clips of shards as a model is shown them in an evaluation: the middle of each part, the centre of the frame."""

    def __init__(self, index: ShardIndex, samples: list[int], shown: StreamConfig) -> None:
        """Show these samples as the config says."""
        self._index, self._samples, self._shown = index, samples, shown
        self._decoder = first_loading(shown.decoder)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._samples)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        """Return uint8 [T, 3, S, S], or why there is none."""
        sample = self._samples[place]
        places = segments_middle(int(self._index.frame_count[sample]), self._shown.frames)
        frames = read_frames(self._index, sample, places, self._decoder)
        if isinstance(frames, BadSample):
            return str(frames)
        return show(frames, centre_view(*frames.shape[-2:]), self._shown.size)
