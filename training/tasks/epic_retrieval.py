"""Multi-instance retrieval on EPIC-KITCHENS-100: which sentences belong to a clip, which clips to a sentence?"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.clip_table import clip_key
from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.metrics.retrieval import Actions, multi_instance_retrieval, relevancy
from egocurate.progress import Report
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.tables import read_rows

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
    sample = [index.get(clip_name(narration)) for narration in asked.ids]
    there = [i for i, number in enumerate(sample) if number is not None]
    if not there:
        raise InputError(
            f"{shards}: has none of the {len(asked.ids)} clips of {folder / CLIPS}, as {clip_name(asked.ids[0])}; "
            f"cut them with `curate shards --egoclip {folder / CLIPS} --source epic-kitchens --root EPIC --out S`"
        )
    samples = [sample[i] for i in there]
    clips = EvaluationClips(index, samples, frames=shown.frames, size=shown.size, decoder=shown.decoder)
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
