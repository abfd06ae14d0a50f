"""Classes that a segmented source brings with its narrations, as the labels of clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.labels import PREFIX, with_labels


@dataclass(frozen=True)
class NarratedLabels:
    """The class number of each narration, int32[N] by kind of label, and the names of the classes."""

    numbers: dict[str, np.ndarray]
    names: dict[str, list[str]]

    @classmethod
    def of(cls, narrations: pd.DataFrame) -> NarratedLabels:
        """Return the labels in the columns of narrations (see `curation.sources`), which may have none."""
        columns = {
            name.removeprefix(PREFIX): narrations[name].cat for name in narrations.columns if name.startswith(PREFIX)
        }
        return cls(
            {kind: column.codes.to_numpy(np.int32) for kind, column in columns.items()},
            {kind: column.categories.tolist() for kind, column in columns.items()},
        )

    def add_to(self, clips: pa.Table, rows: np.ndarray) -> pa.Table:
        """Return clips with their labels; rows int64[n] are the narrations that they are of."""
        if not self.names:
            return clips
        return with_labels(clips, {kind: of_kind[rows] for kind, of_kind in self.numbers.items()}, self.names)
