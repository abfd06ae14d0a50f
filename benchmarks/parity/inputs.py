"""What both codes are shown: pixels, raw texts, random weights, and tokenizers that are made here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor, nn
from transformers import CLIPTokenizerFast, RobertaTokenizerFast

from egocurate.models.tokenizer import train_tokenizer

TEXTS = (
    "#C C opens the fridge.",
    "#O A picks the cup",
    "#C C picks the cup",
    "#unsure C C moves Her left hand around the wooden table, looks at the man X and puts the knife down",
)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LEVELS = ((108.3272985, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.32316305))
"""mean and deviation of levels, as LaViLa's and AVION's scripts have them"""


def clips(frames: int, size: int = 224, count: int = 2) -> Tensor:
    """Return clips uint8 [count, T, 3, size, size] of random patches that change from frame to frame."""
    generator = torch.Generator().manual_seed(frames)
    small = torch.randint(0, 256, (count * frames, 3, 9, 9), generator=generator).float()
    large = nn.functional.interpolate(small, size=(size, size), mode="bilinear")
    return large.round().byte().unflatten(0, (count, frames))


def normalized(frames: Tensor) -> Tensor:
    """Return uint8 frames as EgoVLP, EgoVLPv2 and VideoMAE normalize them: divided by 255, ImageNet's mean and std."""
    mean, std = (torch.tensor(each)[:, None, None] for each in IMAGENET)
    return (frames.float() / 255 - mean) / std


def levels_normalized(frames: Tensor) -> Tensor:
    """Return uint8 frames as LaViLa and AVION normalize them: by mean and deviation of their levels."""
    mean, std = (torch.tensor(each)[:, None, None] for each in LEVELS)
    return (frames - mean) / std


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Move every parameter away from where it starts: what begins at zero would hide what it multiplies."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return module.eval()


def wordpiece_tokenizer(folder: Path) -> Path:
    """Write a tokenizer like BERT's, made from the texts."""
    train_tokenizer(TEXTS * 3, 2048).save_pretrained(folder)
    return folder


def byte_tokenizer(folder: Path) -> Path:
    """Write a tokenizer like RoBERTa's, made from the texts, with RoBERTa's numbers of the special tokens."""
    made = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made.train_from_iterator(TEXTS * 3, vocab_size=400, min_frequency=1, special_tokens=special, show_progress=False)
    folder.mkdir()
    made.save_model(str(folder))
    RobertaTokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)
    return folder


def byte_pair_tokenizer(pieces: Sequence[str], merges: Path | str, folder: Path) -> Path:
    """Write CLIP's tokenizer as transformers has that of openai/clip-vit-base-patch16.

    pieces: in the order of their numbers, the start and the end of a text, by whatever names, last. merges: their file.
    """
    folder.mkdir()
    named = [*pieces[:-2], "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(named)}))
    lines = gzip.decompress(Path(merges).read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")
    CLIPTokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)
    return folder
