"""Search videos by words: the rows of an index against the embedding of a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.training.search.index_folder import Packed, open_packed
from egocurate.training.search.ranking import Windows, best_spans, score_windows


@dataclass(frozen=True)
class Hit:
    """A stretch of a video that answers a text: the higher the score, the better; it is a cosine, -1 to 1."""

    video: str
    path: str
    start_sec: float
    end_sec: float
    score: float


class SearchIndex:
    """The windows of many videos, to be searched by the embeddings of texts; the rows stay on disk, mapped."""

    def __init__(self, packed: Packed) -> None:
        """Search what is packed."""
        self._packed = packed
        self._rows = torch.from_numpy(packed.rows)
        self._windows = Windows(packed.video, packed.stretches[:, 0], packed.stretches[:, 1])

    @classmethod
    def open(cls, folder: str | Path) -> SearchIndex:
        """Open the folder of an index, as `curate search --index` writes it; raises InputError if it holds none."""
        return cls(open_packed(Path(folder)))

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._packed.rows)

    @property
    def videos(self) -> dict[str, str]:
        """The path of each video, by name."""
        return {name: file.path for name, file in zip(self._packed.names, self._packed.files, strict=True)}

    def search(self, queries: Tensor, top: int = 10) -> list[list[Hit]]:
        """Return at most `top` hits for each query, the best first.

        queries: float32 [Q, D] of length 1, from `Model.embed_text` of the model that the index was made with. Raises
        InputError for embeddings of another width.
        """
        width = self._rows.shape[1]
        if queries.ndim != 2 or queries.shape[1] != width:
            raise InputError(f"queries {tuple(queries.shape)}: the index has embeddings of {width} channels")
        return [self._hits(query, top) for query in queries.detach().cpu()]

    def _hits(self, query: Tensor, top: int) -> list[Hit]:
        packed, windows = self._packed, self._windows
        hits = []
        for span in best_spans(score_windows(self._rows, query), windows, top):
            video = int(packed.video[span.first])
            start, end = float(windows.start_sec[span.first]), float(windows.end_sec[span.last])
            hits.append(Hit(packed.names[video], packed.files[video].path, start, end, span.score))
        return hits
