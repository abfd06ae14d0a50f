"""Features of texts: an embedding for each text of a file, in the file's order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from egocurate.errors import InputError
from egocurate.storage.csv_file import read_csv
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.typed_parquet import read_typed
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.feature_files import write_rows
from egocurate.training.tasks.feature_note import claim_features

NAME = "texts"
COLUMN = "text"


def read_texts_to_embed(path: Path) -> list[str]:
    """Read texts: column `text` of a csv or parquet file, or each line of any other file.

    Raises InputError for a file that cannot be read, has no text, or one that is empty.
    """
    try:
        if path.suffix == ".parquet":
            texts = read_typed(path, pa.schema([(COLUMN, pa.string())]))[COLUMN].to_pylist()
        elif path.suffix in (".csv", ".tsv"):
            texts = [text for (text,) in read_csv(path, separators=",;\t").select(path, [COLUMN])]
        else:
            texts = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a file with a text on each line") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save it in UTF-8") from error
    if not texts:
        raise InputError(f"{path}: no texts; give one on each line")
    empty = next((number for number, text in enumerate(texts, 1) if not text.strip()), None)
    if empty is not None:
        raise InputError(f"{path}: text {empty} is empty; leave its line out")
    return texts


def write_text_features(
    out: Path, form: str, texts: Sequence[str], asked: Sequence[str], made_by: dict[str, object], embedder: Embedder
) -> Path:
    """Write OUT/texts.<form>, float32 [M, D] of length 1, unless it is there, and return its path.

    asked: the texts as the model reads them. Every rank calls this. Raises InputError if OUT has texts' features made
    otherwise.
    """
    ranks, path = embedder.ranks, out / f"{NAME}.{form}"
    claim_features(out, NAME, made_by | {NAME: value_fingerprint(list(texts))}, ranks)
    there = path.exists()
    ranks.barrier()  # all have looked before one writes
    if not there:
        rows = embedder.texts(asked)
        if ranks.main:
            write_rows(path, rows.cpu().numpy(), {COLUMN: pa.array(texts)})
    return path
