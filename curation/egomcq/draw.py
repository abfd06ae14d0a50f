"""EgoMCQ: five-way questions between videos (inter) and inside a video (intra), in the published schema."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from egocurate.curation.clips.class_sets import Ints, Ragged, ragged, share, with_none
from egocurate.curation.config import EgoMCQConfig
from egocurate.errors import InputError
from egocurate.questions import CLIPS_FILE, INTER, INTRA, ITEM_FIELDS, OPTIONS, QUESTIONS_FILE
from egocurate.storage.atomic import atomic_write, write_text
from egocurate.storage.parquet import write_parquet
from egocurate.storage.paths import AnyPath, as_path, make_folder

_PAIRS = np.array(list(itertools.combinations(range(OPTIONS), 2)))  # [10, 2]
_CHUNK = 1 << 15  # questions looked at together: bounds memory
_STALE_ROUNDS = 8  # rounds of draws without a new question after which there are held to be no more


@dataclass(frozen=True)
class EgoMCQ:
    """Questions in the published schema, the distinct clips they offer, and how many of what was asked could be made.

    The clips have the columns of their table, `place`: their number among the clips of their pass, by time, and
    `scene`: videos that film the same moment share it. `short` says why there are fewer questions than were asked for.
    """

    questions: dict[str, dict[str, Any]]
    clips: pa.Table
    counts: dict[str, int]
    short: list[str]


@dataclass(frozen=True)
class _Pool:
    """Clips of one pass per video, by video and time; N rows."""

    row: Ints  # in the given table
    video: Ints
    scene: Ints
    text: Ints
    window: Ints  # equal for equal windows of one video
    verbs: Ragged  # rows without a class have class "none", which is no tag but is equal to itself
    nouns: Ragged
    tagged: NDArray[np.bool_]

    def distinct(self, options: Ints) -> NDArray[np.bool_]:
        """Tell which rows of `options` [Q, 5] hold five clips that differ in text, window and what is done to what."""
        parts = [self._distinct(options[at : at + _CHUNK]) for at in range(0, len(options), _CHUNK)]
        return np.concatenate([np.empty(0, dtype=bool), *parts])

    def _distinct(self, options: Ints) -> NDArray[np.bool_]:
        a, b = options[:, _PAIRS[:, 0]].ravel(), options[:, _PAIRS[:, 1]].ravel()
        alike = (self.text[a] == self.text[b]) | ((self.video[a] == self.video[b]) & (self.window[a] == self.window[b]))
        open_ = np.flatnonzero(~alike)
        open_ = open_[share(self.verbs, a[open_], b[open_])]
        alike[open_[share(self.nouns, a[open_], b[open_])]] = True
        return ~alike.reshape(len(options), len(_PAIRS)).any(axis=1)


def build_egomcq(clips: pa.Table, scenes: Mapping[str, int], config: EgoMCQConfig) -> EgoMCQ:
    """Draw questions from the clips of eligible videos; raises InputError if not a single one can be made.

    One pass of each video is drawn and the other ignored. No two options share both a verb and a noun (none at all
    counts as one), a text or a window, and the answer has a verb or a noun. Answer slots are balanced. A video that
    `scenes` does not name is a scene of its own. All is fixed by the seed and the table.
    """
    pool = _pool(clips, scenes, np.random.default_rng([config.seed, 0]))
    inter = _inter(pool, config.inter, np.random.default_rng([config.seed, INTER]))
    intra = _intra(pool, config.intra, np.random.default_rng([config.seed, INTRA]))
    short = [*_inter_short(pool, config.inter, len(inter)), *_intra_short(pool, config.intra, len(intra))]
    if not len(inter) + len(intra):
        raise InputError(f"no EgoMCQ question can be made: {'; '.join(short)}; add videos, or use --videos all")
    options = np.concatenate([inter, intra])
    slots = np.concatenate([_slots(len(inter), config.seed, INTER), _slots(len(intra), config.seed, INTRA)])
    types = np.repeat([INTER, INTRA], [len(inter), len(intra)])
    rows = np.unique(pool.row[options])
    place, scene = np.empty((2, len(clips)), dtype=np.int64)
    place[pool.row] = np.arange(len(pool.row)) - np.searchsorted(pool.video, pool.video)
    scene[pool.row] = pool.scene
    table = _renumbered(clips.take(rows)).append_column("place", pa.array(place[rows]))
    table = table.append_column("scene", pa.array(scene[rows]))
    number = np.searchsorted(rows, pool.row[options])
    counts = {
        "videos": len(np.unique(pool.video)),
        "candidate_clips": len(pool.row),
        "inter_asked": config.inter,
        "inter": len(inter),
        "intra_asked": config.intra,
        "intra": len(intra),
        "distinct_clips": len(rows),
    }
    return EgoMCQ(questions=_questions(table, number, slots, types), clips=table, counts=counts, short=short)


def one_pass(narrations: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the narrations of one pass of each video, drawn, so that the other need not be tagged to be ignored."""
    names = ["video_uid", "narration_source"]
    passes = narrations[names].drop_duplicates().sort_values(names, ignore_index=True)
    drawn = passes.loc[np.random.default_rng([seed, 3]).permutation(len(passes))].drop_duplicates("video_uid")
    return narrations[pd.MultiIndex.from_frame(narrations[names]).isin(pd.MultiIndex.from_frame(drawn))]


def write_egomcq(egomcq: EgoMCQ, out: str | AnyPath) -> list[str]:
    """Write egomcq_clips.parquet, then egomcq.json, into `out`; returns their names."""
    out = as_path(out)
    make_folder(out)
    atomic_write(out / CLIPS_FILE, lambda stream: write_parquet(egomcq.clips, stream))
    write_text(out / QUESTIONS_FILE, json.dumps(egomcq.questions, ensure_ascii=False))
    return [CLIPS_FILE, QUESTIONS_FILE]


def _pool(clips: pa.Table, scenes: Mapping[str, int], rng: np.random.Generator) -> _Pool:
    uids, video = _codes(clips["video_uid"])
    passes, source = _codes(clips["narration_source"])
    # A random order of the passes for each video; the first that the video has is its pass.
    rank = rng.permuted(np.tile(np.arange(len(passes)), (len(uids), 1)), axis=1)
    place = rank[video, source]
    best = np.full(len(uids), len(passes))
    np.minimum.at(best, video, place)
    time, ind = clips["narration_time"].to_numpy(), clips["narration_ind"].to_numpy()
    row = np.flatnonzero(place == best[video])
    row = row[np.lexsort((ind[row], time[row], video[row]))]
    columns = clips.select(["text", "tag_verb", "tag_noun", "clip_start", "clip_end"]).take(row)
    verbs, nouns = ragged(columns["tag_verb"]), ragged(columns["tag_noun"])
    windows = np.stack([columns["clip_start"].to_numpy(), columns["clip_end"].to_numpy()], axis=1)
    first_free = max(scenes.values(), default=-1) + 1  # numbers of scenes that nobody named
    scene = np.array([scenes.get(uid, first_free + index) for index, uid in enumerate(uids)], dtype=np.int64)
    return _Pool(
        row=row,
        video=video[row],
        scene=scene[video[row]],
        text=_codes(columns["text"])[1],
        window=np.unique(windows, axis=0, return_inverse=True)[1].ravel(),
        verbs=with_none(verbs),
        nouns=with_none(nouns),
        tagged=(np.diff(verbs[1]) > 0) | (np.diff(nouns[1]) > 0),
    )


def _inter(pool: _Pool, asked: int, rng: np.random.Generator) -> Ints:
    """Draw questions [Q, 5] of tagged clips from five scenes, the answer first; every clip answers in turn."""
    usable = np.flatnonzero(pool.tagged)
    usable = usable[np.argsort(pool.scene[usable], kind="stable")]
    _, begin, size = np.unique(pool.scene[usable], return_index=True, return_counts=True)
    made: dict[tuple[int, ...], Ints] = {}
    if len(begin) < OPTIONS:
        return np.empty((0, OPTIONS), dtype=np.int64)
    place = np.repeat(np.arange(len(begin)), size)  # of each usable clip's scene
    answers = _in_turn(len(usable), rng)
    stale = 0
    while len(made) < asked and stale < _STALE_ROUNDS:
        before = len(made)
        draws = int(np.clip(2 * (asked - before), 4096, 1 << 15))
        answer = np.fromiter(itertools.islice(answers, draws), np.int64, count=draws)
        # Scenes first, then a clip of each: a scene with many clips is no likelier to be an option.
        scene = rng.integers(0, len(begin) - 1, (draws, OPTIONS - 1))
        scene += scene >= place[answer][:, None]
        apart = (np.diff(np.sort(scene, axis=1), axis=1) > 0).all(axis=1)
        others = begin[scene] + (rng.random(scene.shape) * size[scene]).astype(np.int64)
        options = usable[np.column_stack([answer, others])[apart]]
        for question in options[pool.distinct(options)]:
            made.setdefault(tuple(sorted(question.tolist())), question)
        stale = 0 if len(made) > before else stale + 1
    return np.array(list(made.values())[:asked], dtype=np.int64).reshape(-1, OPTIONS)


def _intra(pool: _Pool, asked: int, rng: np.random.Generator) -> Ints:
    """Draw questions [Q, 5] of five consecutive clips, the answer first; disjoint stretches before overlapping ones."""
    count = len(pool.row)
    first = np.arange(max(count - OPTIONS + 1, 0))
    first = first[pool.video[first] == pool.video[first + OPTIONS - 1]]
    stretches = first[:, None] + np.arange(OPTIONS)
    stretches = stretches[pool.distinct(stretches) & pool.tagged[stretches].any(axis=1)]
    used = np.zeros(count, dtype=bool)
    disjoint, overlapping = [], []
    for stretch in rng.permutation(stretches):
        if len(disjoint) >= asked:
            break
        if used[stretch[0]] or used[stretch[-1]]:  # stretches are equally long: they overlap at an end or not at all
            overlapping.append(stretch)
        else:
            used[stretch] = True
            disjoint.append(stretch)
    chosen = np.array((disjoint + overlapping)[:asked], dtype=np.int64).reshape(-1, OPTIONS)
    # The answer is any tagged clip; it comes first, the others in random order.
    order = np.argsort(rng.random(chosen.shape), axis=1)
    shuffled = np.take_along_axis(chosen, order, axis=1)
    answer = pool.tagged[shuffled].argmax(axis=1)
    rest = np.argsort(np.arange(OPTIONS) != answer[:, None], axis=1, kind="stable")
    return np.take_along_axis(shuffled, rest, axis=1)


def _inter_short(pool: _Pool, asked: int, made: int) -> Iterator[str]:
    if made < asked:
        tagged, scenes = int(pool.tagged.sum()), len(np.unique(pool.scene[pool.tagged]))
        why = f"each needs {OPTIONS} scenes" if scenes < OPTIONS else "no more could be drawn that differ"
        yield f"{made:,} of {asked:,} inter: {why} (clips with a verb or a noun: {tagged:,}, their scenes: {scenes:,})"


def _intra_short(pool: _Pool, asked: int, made: int) -> Iterator[str]:
    if made < asked:
        have = f"clips: {len(pool.row):,}, videos: {len(np.unique(pool.video)):,}"
        yield f"{made:,} of {asked:,} intra: no more {OPTIONS} clips in a row do different things ({have})"


def _in_turn(count: int, rng: np.random.Generator):  # noqa: ANN202 - an endless iterator of ints
    while True:
        yield from rng.permutation(count).tolist()


def _slots(count: int, seed: int, kind: int) -> Ints:
    """Return where the answers stand [Q]: each slot as often as any other, up to one."""
    return np.random.default_rng([seed, kind, OPTIONS]).permutation(np.arange(count) % OPTIONS)


def _renumbered(clips: pa.Table) -> pa.Table:
    """Number the clips of the questions anew; negatives, which may be no clips of questions, are left out."""
    count = len(clips)
    columns = {
        "clip_idx": pa.array(np.arange(count), pa.int64()),
        "negatives": pa.array([[]] * count, pa.list_(pa.int64())),
    }
    for name, column in columns.items():
        if name in clips.column_names:
            clips = clips.set_column(clips.column_names.index(name), name, column)
    return clips


def _questions(clips: pa.Table, options: Ints, slots: Ints, types: Ints) -> dict[str, dict[str, Any]]:
    """Write questions [Q, 5] of clip numbers, answer first, with the answer in its slot."""
    items = clips.select(list(ITEM_FIELDS)).to_pylist()
    for item in items:
        item["tag_verb"], item["tag_noun"] = str(item["tag_verb"]), str(item["tag_noun"])
    questions = {}
    for number, (question, slot, kind) in enumerate(zip(options.tolist(), slots.tolist(), types.tolist(), strict=True)):
        answer, *others = question
        others.insert(slot, answer)
        choices = {str(place): items[option] for place, option in enumerate(others)}
        questions[str(number)] = {"query": items[answer], "answer": slot, "choices": choices, "types": kind}
    return questions


def _codes(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Number the strings of a column in their own order."""
    encoded = column.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    number = np.empty(len(names), dtype=np.int64)
    number[order] = np.arange(len(names))
    return [names[index] for index in order], number[encoded.indices.to_numpy()]
