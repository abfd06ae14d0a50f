"""Narrations as tokens: the tokenizer of a run, and texts as ids on the device."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import Stream
from egocurate.models.tokenizer import load_tokenizer, train_tokenizer
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.systems.initial_weights import tokenizer_of

VOCABULARY_TEXTS = 100_000  # of millions of narrations this many show every word that matters


def tokenizer_for(config: TrainConfig, data: Stream | None, vocab: int) -> PreTrainedTokenizerBase:
    """Return the config's tokenizer, that of the run that goes on or starts here, or a new one.

    A new one has at most `vocab` pieces, made from the narrations of all folders.
    Raises InputError if it cannot be loaded or has more pieces than the text tower.
    """
    try:
        if source := config.tokenizer or tokenizer_of(config.out) or tokenizer_of(config.start):
            tokenizer = load_tokenizer(source)
        else:
            every = math.ceil(sum(map(len, data.indexes)) / VOCABULARY_TEXTS)
            texts = (index.row(i).text for index in data.indexes for i in range(0, len(index), every))
            tokenizer = train_tokenizer(texts, vocab)
    except ValueError as error:
        raise InputError(str(error)) from error
    if len(tokenizer) > vocab:
        raise InputError(f"the tokenizer has {len(tokenizer)} pieces, the text tower {vocab}: set model.text.vocab")
    return tokenizer


class Tokens:
    """A tokenizer with the length and the device of a run's texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, longest: int, device: torch.device) -> None:
        """Cut texts at `longest` tokens."""
        self.tokenizer, self.longest, self.device = tokenizer, longest, device

    def save(self, folder: Path) -> None:
        """Write the tokenizer to a folder that is whole or not there."""
        writing = folder.with_name(f".{folder.name}.writing")
        self.tokenizer.save_pretrained(writing)
        shutil.rmtree(folder, ignore_errors=True)
        writing.rename(folder)

    def __call__(self, texts: list[str], *, full: bool = False) -> tuple[Tensor, Tensor]:
        """Return int64 ids and mask [M, L]; L is a multiple of 8, so that a compiled model meets few shapes.

        If the longest is no multiple of 8, L is one of their greatest common divisor. With `full` L is the longest: the
        same on every rank.
        """
        step = math.gcd(8, self.longest)
        padding = {"padding": "max_length"} if full else {"padding": True, "pad_to_multiple_of": step}
        encoded = self.tokenizer(texts, truncation=True, max_length=self.longest, return_tensors="pt", **padding)
        return encoded["input_ids"].to(self.device), encoded["attention_mask"].to(self.device)
