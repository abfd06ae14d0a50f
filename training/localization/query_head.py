"""What a run of natural language queries has learned, kept so that it can answer about any video with features."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.models.localization.choose import best_spans
from egocurate.models.localization.config import VSLNetConfig
from egocurate.models.localization.query_localizer import QueryLocalizer
from egocurate.storage.atomic import write_json
from egocurate.storage.json_notes import read_note
from egocurate.training.localization.feature_folders import FeatureFolders, open_features
from egocurate.training.localization.loop import CHECKPOINT
from egocurate.training.localization.pooled import pool
from egocurate.training.localization.query_task import TOP, QueryTask
from egocurate.training.localization.query_texts import FIRST, Vocabulary

HEAD = "head.json"


class ReadText(NamedTuple):
    """A text as the model reads it that has read the questions: its embedding [S], and its tokens [L, W], float32.

    A head that does not read tokens asks for none.
    """

    text: str
    sentence: Tensor
    tokens: Tensor | None


class QueryHead:
    """VSLNet as a run has learned it, its words, and the features that it reads."""

    def __init__(
        self, model: QueryLocalizer, vocabulary: Vocabulary, folders: FeatureFolders, note: dict[str, object]
    ) -> None:
        """Take what `open_head` has read."""
        self._model, self._vocabulary, self.folders = model.eval(), vocabulary, folders
        self.read_by = {str(note[key]) for key in ("text", "words") if note[key]}
        """runs and weights that have read the questions"""
        self.reads_tokens = bool(note["token_width"])
        self.clip_sec, self._positions = float(note["clip_sec"]), int(note["positions"])

    @torch.no_grad()
    def stretches(self, video: np.ndarray, around_sec: float, asked: ReadText) -> np.ndarray:
        """Return the best stretches [K, 2] for a text in seconds of a video, best first.

        video: its rows, of which a clip around a second is looked at, as long as those that were learned from.
        """
        rate = self.folders.rate
        length = min(len(video), max(1, round(self.clip_sec * rate)))
        first = min(max(0, round(around_sec * rate - length / 2)), len(video) - length)
        start = first / rate
        clip = pool(video[first : first + length], self._positions, np.arange(length) / rate, length / rate)
        rows = torch.from_numpy(clip.rows)[None]
        seen = torch.ones(rows.shape[:2], dtype=torch.bool)
        [words] = [asked.tokens] if self.reads_tokens else self._vocabulary.ids([asked.text])
        said = torch.ones(1, len(words), dtype=torch.bool)
        logits = self._model(rows, seen, words[None], said, asked.sentence[None])
        ends = [part[0].softmax(0).numpy() for part in (logits.start, logits.end)]
        return clip.window(best_spans(*ends, top=TOP)) + start


def write_head(out: Path, task: QueryTask, positions: int, made_by: dict[str, object]) -> None:
    """Write what `open_head` needs beside the checkpoint of a run.

    made_by: the `features` and their `rate`, and what has read the questions: `text` and `words`, "" of none.
    """
    clips = {query.clip.uid: query.clip.length_sec for query in task.train.queries}
    note = {
        "vocabulary": list(task.vocabulary.numbers),
        "video_width": task.clips.width,
        "token_width": task.token_width,
        "sentence_width": task.train.sentences.shape[1],
        "sizes": asdict(task.config),
        "clip_sec": float(np.median(list(clips.values()))),
        "positions": positions,
    }
    write_json(out / HEAD, note | made_by)


def open_head(folder: Path) -> QueryHead:
    """Return what a run of `curate nlq` has learned, on the CPU; raises InputError for a folder that holds none."""
    path = folder / HEAD
    if not path.is_file() or not (folder / CHECKPOINT).is_file():
        raise InputError(f"{folder}: holds no run of `curate nlq`, or one of an earlier version: make it anew")
    note = read_note(path, dict)
    try:
        vocabulary = Vocabulary({str(word): place for place, word in enumerate(note["vocabulary"], FIRST)})
        model = QueryLocalizer(
            VSLNetConfig(**note["sizes"]),
            video_width=note["video_width"],
            words=len(vocabulary),
            token_width=note["token_width"],
            sentence_width=note["sentence_width"],
        )
        model.load_state_dict(torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)["model"])
        folders = open_features([Path(one) for one in note["features"]], note["rate"])
        return QueryHead(model, vocabulary, folders, note)
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, AttributeError) as error:
        line = str(error).partition("\n")[0]
        raise InputError(f"{path}: does not fit {CHECKPOINT} beside it ({line}); make the run anew") from error
