"""One row of the index of a shard folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from egocurate.storage.paths import AnyPath
from egocurate.text_choices import TEXT_COLUMNS, TextForm


@dataclass(frozen=True)
class Sample:
    """All that is known of a clip; `spans`: (offset, size) in bytes of each member's content in the tar, json first."""

    sample: int
    key: str
    shard_path: AnyPath
    spans: list[tuple[int, int]]
    video_uid: str
    clip_text: str
    text: str
    tag_verb: np.ndarray
    tag_noun: np.ndarray
    negatives: np.ndarray
    frame_count: int
    fps: float
    clip_start: float
    clip_end: float
    narration_source: str
    narration_ind: int
    narration_time: float
    clip_idx: int
    neighbourhood: int
    labels: Mapping[str, int] = field(default_factory=dict)

    def text_as(self, form: TextForm) -> str:
        """Return the narration normalized, or raw, with its marks."""
        return getattr(self, TEXT_COLUMNS[form])

    @property
    def json_span(self) -> tuple[int, int]:
        """Where the text member stands."""
        return self.spans[0]

    @property
    def video_span(self) -> tuple[int, int]:
        """Where the mp4, or the picture of the first frame, stands."""
        return self.spans[1]
