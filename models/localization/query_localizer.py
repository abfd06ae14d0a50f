"""VSLNet with words of its own or those of another model, and, where there is one, a sentence that one has embedded."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egocurate.models.localization.config import VSLNetConfig
from egocurate.models.localization.vslnet import SpanLogits, VSLNet


class QueryLocalizer(nn.Module):
    """Words and VSLNet; embedded sentences are one more word, the first.

    Words are learned from nothing, or they are tokens that a text tower has read, which are projected.
    """

    def __init__(
        self, config: VSLNetConfig, *, video_width: int, words: int, token_width: int = 0, sentence_width: int = 0
    ) -> None:
        """Build it for so many words to learn, id 0 of none, or in their place for tokens of a width.

        sentence_width 0: sentences are their words alone. Clips and sentences of one width are taken to be of one
        space: the video then tells their cosine, too.
        """
        super().__init__()
        self.compares = video_width == sentence_width
        self.words: nn.Module
        if token_width:
            self.words = nn.Linear(token_width, config.width)
        else:
            self.words = nn.Embedding(words, config.width, padding_idx=0)
            nn.init.normal_(self.words.weight, std=1.0)
        self.sentence = nn.Linear(sentence_width, config.width) if sentence_width else None
        self.span = VSLNet(config, video_width, config.width)
        if self.compares:
            self.cosine = nn.Linear(1, config.width)

    def forward(self, video: Tensor, seen: Tensor, words: Tensor, said: Tensor, sentence: Tensor) -> SpanLogits:
        """Return logits [B, P] of features video [B, P, D], words and sentence [B, S]; masks seen and said are bool.

        words: ids [B, L], 0 of none, or tokens [B, L, W].
        """
        text, added = self.words(words), None
        if self.sentence is not None:
            text = torch.cat([self.sentence(sentence)[:, None], text], 1)
            said = F.pad(said, (1, 0), value=True)
        if self.compares:
            cosine = F.normalize(video, dim=-1) @ F.normalize(sentence, dim=-1)[..., None]
            # Of a row's cosines only the differences tell: what is much nearer to the text than the rest?
            mean = (cosine * seen[..., None]).sum(1, keepdim=True) / seen.sum(1)[:, None, None]
            added = self.cosine(10 * (cosine - mean))
        return self.span(video, seen, text, said, added)
