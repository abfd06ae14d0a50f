"""A tokenizer that is a SentencePiece model, such as VideoPrism's, run by Google's own library.

`tokenizers` reads the same files but splits some characters otherwise (marks that join the letter before them, spaces
without width), and a tower has learned from the library's pieces.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor

MODEL_FILE = "sentencepiece.model"


class SentencePieceTokenizer:
    """Text to the ids of its pieces; a begin token stands before them if the model has one, no end token after.

    So reads VideoPrism's released code. It masks no words: there is no mask token.
    """

    mask_token_id: int | None = None

    def __init__(self, source: str) -> None:
        """Read a model file, or the folder to which a tokenizer was saved; ValueError, one line, if it holds none."""
        path = Path(source)
        path = path / MODEL_FILE if path.is_dir() else path
        try:
            self._model = SentencePieceProcessor(model_proto=path.read_bytes())
        except (OSError, RuntimeError) as error:
            raise ValueError(f"tokenizer {source!r}: no SentencePiece model ({_first_line(error)})") from error
        self.name_or_path, self._path = source, path
        begin = self._model.bos_id()
        self._begin = [begin] if begin >= 0 else []
        self.pad_token_id = max(self._model.pad_id(), 0)  # whatever stands there, the mask hides it

    def __len__(self) -> int:
        """Return the number of pieces."""
        return self._model.get_piece_size()

    def __call__(self, texts: Sequence[str], *, truncation: bool, max_length: int) -> dict[str, list[list[int]]]:
        """Return "input_ids" of each text, at most `max_length` with `truncation`, as tokenizers of the hub do."""
        rows = [self._begin + ids for ids in self._model.encode(list(texts))]
        return {"input_ids": [row[:max_length] for row in rows] if truncation else rows}

    def save_pretrained(self, folder: Path) -> None:
        """Write the model to a folder, from which `SentencePieceTokenizer` and `load_tokenizer` read it."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._path, folder / MODEL_FILE)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
