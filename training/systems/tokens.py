"""Narrations as tokens: the tokenizer of a run, and texts as ids on the device."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.loaders.clip_stream import Stream
from egocurate.loaders.config import FolderChoice
from egocurate.loaders.device import to_device
from egocurate.models.tokenizer import AnyTokenizer, count_pieces, load_tokenizer, train_tokenizer
from egocurate.text_choices import CAPTION_KINDS, FIRST
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.initial_weights import tokenizer_of

VOCABULARY_TEXTS = 100_000  # of millions of narrations this many show every word that matters


Prepare = Callable[[str], str]


def as_it_is(text: str) -> str:
    """Return a text as the stream gives it, in the form of `data.text` (docs/choices.md)."""
    return text


class Tokens:
    """A tokenizer with the length and the device of a run's texts."""

    def __init__(
        self,
        tokenizer: AnyTokenizer,
        longest: int,
        device: torch.device,
        *,
        prepare: Prepare = as_it_is,
        made: bool = False,
    ) -> None:
        """Cut texts at `longest` tokens, after `prepare`; `made` here from narrations, no weights have learned it."""
        self.tokenizer, self.longest, self.device = tokenizer, longest, device
        self.prepare, self.made = prepare, made

    def save(self, folder: Path) -> None:
        """Write the tokenizer to a folder that is whole or not there."""
        writing = folder.with_name(f".{folder.name}.writing")
        self.tokenizer.save_pretrained(writing)
        shutil.rmtree(folder, ignore_errors=True)
        writing.rename(folder)

    def __call__(self, texts: list[str], *, full: bool = False) -> tuple[Tensor, Tensor]:
        """Return int64 ids and mask [M, L] on the device; L is a multiple of 8: a compiled model meets few shapes.

        With `full`, and where the next multiple is beyond the longest, L is the longest.
        """
        ids, mask = self.on_host(texts, full=full)
        return to_device(ids, self.device), to_device(mask, self.device)

    def on_host(self, texts: list[str], *, full: bool = False) -> tuple[Tensor, Tensor]:
        """Return what a call does, on the CPU."""
        prepared = [self.prepare(text) for text in texts]
        rows = self.tokenizer(prepared, truncation=True, max_length=self.longest)["input_ids"]
        length = self.longest if full else min(self.longest, 8 * math.ceil(max(map(len, rows)) / 8))
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        return ids, mask


def tokens_for(
    config: TrainConfig,
    data: Stream | None,
    ranks: Ranks,
    vocab: int,
    longest: int,
    prepare: Prepare = as_it_is,
) -> Tokens:
    """Return texts as tokens: by the config's tokenizer, that of the run that goes on or starts here, or a new one.

    A new one has at most `vocab` pieces, made from the narrations of all folders. Texts have at most `longest` tokens.
    Raises InputError if it cannot be loaded, has more pieces than the text tower, or there is none for a tower that has
    learned from one.
    """
    source = config.tokenizer or tokenizer_of(config.out) or tokenizer_of(config.start)
    try:
        tokenizer = load_tokenizer(source) if source else _made(config, data, vocab, prepare)
    except ValueError as error:
        raise InputError(f"{error}; tokenizer=FOLDER names one on this machine") from error
    pieces = count_pieces(tokenizer)
    if pieces > vocab:
        raise InputError(f"the tokenizer has {pieces} pieces, the text tower {vocab}: set model.text.vocab")
    return Tokens(tokenizer, min(config.max_tokens, longest), ranks.device, prepare=prepare, made=not source)


def _made(config: TrainConfig, data: Stream, vocab: int, prepare: Prepare) -> AnyTokenizer:
    """Make a tokenizer from the narrations; raises InputError if the text tower has learned from another."""
    pretrained = getattr(config.model.text, "pretrained", "")
    if pretrained:
        raise InputError(
            f"model.text.pretrained={pretrained} has learned from a tokenizer, and none is given: --set "
            f"tokenizer={pretrained}"
        )
    every = math.ceil(sum(map(len, data.indexes)) / VOCABULARY_TEXTS)
    choices = [config.data.of_source(number, len(data.indexes)) for number in range(len(data.indexes))]
    texts = (
        text
        for index, choice in zip(data.indexes, choices, strict=True)
        for i in range(0, len(index), every)
        for text in _shown(choice, index, i)
    )
    return train_tokenizer(map(prepare, texts), vocab)


def _shown(choice: FolderChoice, index: ShardIndex, sample: int) -> list[str]:
    """Return the texts that a clip may be shown with: its own, or all of its captions where these are drawn."""
    if choice.captions == FIRST or index.captions is None:
        return [index.row(sample).text_as(choice.text)]
    return [caption.text_as(choice.text) for caption in index.captions.of(sample) if caption.kind in CAPTION_KINDS]
