"""Text to token ids: a pretrained tokenizer by hub name or folder, or a small one made from the narrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

_SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


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


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder or by hub name; ValueError, one line, if neither gives one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        tokenizer(["a text", ""], truncation=True, max_length=8)  # some mistakes show only then
    except (OSError, ValueError) as error:
        raise ValueError(
            f"tokenizer {source!r}: not a folder with a tokenizer, and the hub does not give it"
        ) from error
    except BaseException as error:  # a broken file makes the libraries raise anything, Rust's panics too
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError(f"tokenizer {source!r}: cannot be read ({type(error).__name__}: {error})") from error
    return tokenizer
