"""Files of features: float32 rows as a tensor (.pt), an array (.npy) or a table (.parquet), and read back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from egocurate.errors import InputError
from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import write_parquet
from egocurate.storage.typed_parquet import read_any

FORMS = ("pt", "npy", "parquet")
EMBEDDING = "embedding"


def write_rows(path: Path, rows: np.ndarray, columns: dict[str, pa.Array]) -> None:
    """Write rows float32 [N, D] in the form that the name of the file says: whole, or not at all.

    columns: what a table says of the rows beside their `embedding`, which is null for a row of NaN; pt and npy have the
    rows alone.
    """
    if path.suffix == ".pt":
        atomic_write(path, partial(torch.save, torch.from_numpy(rows)))
    elif path.suffix == ".npy":
        atomic_write(path, lambda file: np.save(file, rows))
    else:
        lacking = pa.array(np.isnan(rows).any(axis=1))
        flat = pa.array(np.ascontiguousarray(rows).ravel())
        embedding = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1], mask=lacking)
        atomic_write(path, partial(write_parquet, pa.table({**columns, EMBEDDING: embedding})))


def read_rows(path: Path) -> np.ndarray:
    """Return the rows of a file, float32 [N, D], NaN where there is none; InputError for one that is not so."""
    try:
        if path.suffix == ".pt":
            rows = torch.load(path, map_location="cpu", weights_only=True).numpy()
        elif path.suffix == ".npy":
            rows = np.load(path, allow_pickle=False)
        else:
            rows = _of_column(read_any(path, [EMBEDDING])[EMBEDDING].combine_chunks())
        if rows.ndim != 2 or rows.dtype != np.float32:
            raise ValueError(f"{rows.dtype} {list(rows.shape)}")
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: holds no rows of features ({first_line}); delete it, and it is made again"
        ) from error
    return rows


def _of_column(column: pa.FixedSizeListArray) -> np.ndarray:
    size = column.type.list_size
    rows = np.full((len(column), size), np.nan, np.float32)
    rows[np.asarray(column.is_valid())] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return rows
