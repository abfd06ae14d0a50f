"""Text to token ids: a pretrained tokenizer by hub name or folder, or a small one made from the narrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

_SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


_NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")  # tokens that a tokenizer may put around or into texts
_PIECES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
SENTENCEPIECE = ".model"
"""how the names of SentencePiece's files end"""


class AnyTokenizer(Protocol):
    """What training asks of a tokenizer, whether it is of transformers or of SentencePiece."""

    name_or_path: str
    pad_token_id: int | None
    mask_token_id: int | None

    def __call__(self, texts: Sequence[str], *, truncation: bool, max_length: int) -> Any:  # noqa: ANN401 (a mapping)
        """Return a mapping whose "input_ids" are those of each text."""

    def __len__(self) -> int:
        """Return the number of pieces."""

    def save_pretrained(self, folder: Path) -> Any:  # noqa: ANN401 (of no use)
        """Write it to a folder, from which `load_tokenizer` reads it."""


def train_tokenizer(texts: Iterable[str], vocab: int = 2048) -> PreTrainedTokenizerFast:
    """Make a lower-case WordPiece tokenizer of at most `vocab` pieces: every character, then the most frequent words.

    A rare word falls into characters. The pieces are a function of the texts alone, so every run has the same; the
    merge trainer of `tokenizers` breaks ties by hash order, and its pieces differ from process to process.
    Save it with `.save_pretrained(folder)`, load it with `load_tokenizer(folder)`.
    """
    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    words: Counter[str] = Counter()
    for text, count in Counter(texts).items():
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            words[word] += count
    characters = sorted({character for word in words for character in word})
    frequent = sorted((word for word in words if len(word) > 1), key=lambda word: (-words[word], word))
    pieces = [*_SPECIAL.values(), *characters, *(f"##{character}" for character in characters), *frequent]
    ids = {piece: i for i, piece in enumerate(pieces[:vocab])}

    tokenizer = Tokenizer(WordPiece(ids, unk_token=_SPECIAL["unk"]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(piece, ids[piece]) for piece in (_SPECIAL["cls"], _SPECIAL["sep"])]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    special = {f"{name}_token": piece for name, piece in _SPECIAL.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def load_tokenizer(source: str) -> AnyTokenizer:
    """Load a tokenizer from a folder, a SentencePiece file or by hub name; ValueError, one line, if none gives one."""
    if source.endswith(SENTENCEPIECE) or (Path(source) / "sentencepiece.model").is_file():
        # Read here, as few runs have such a model.
        from egocurate.models.sentencepiece_tokenizer import SentencePieceTokenizer

        return SentencePieceTokenizer(source)
    folder = Path(source)
    if folder.is_dir() and not any((folder / name).is_file() for name in _PIECES):
        # transformers would make up a tokenizer of no pieces, of the kind that the folder's model reads.
        raise ValueError(f"tokenizer {source!r}: not a folder with a tokenizer: it has none of {', '.join(_PIECES)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        tokenizer(["a text", ""], truncation=True, max_length=8)  # some mistakes show only then
        tokenizer(["a text"])  # or the tokenizer would be saved with that length
    except (OSError, ValueError) as error:
        raise ValueError(
            f"tokenizer {source!r}: not a folder with a tokenizer, and the hub does not give it"
        ) from error
    except BaseException as error:  # a broken file makes the libraries raise anything, Rust's panics too
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError(f"tokenizer {source!r}: cannot be read ({type(error).__name__}: {error})") from error
    return tokenizer


def count_pieces(tokenizer: AnyTokenizer) -> int:
    """Return how many pieces a text tower must have for a tokenizer's texts.

    Tokens that were added to it and stand in no text do not count: VideoPrism's on the hub has 100 of T5's beyond the
    tower's 32,000.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return len(tokenizer)
    named = [getattr(tokenizer, f"{name}_token_id") for name in _NAMED]
    return max(tokenizer.vocab_size, *(1 + one for one in named if one is not None))
