"""Which sentences of the training data may stand for a clip in multi-instance retrieval, and the draw of one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.loaders.batch import Batch, multi_hot
from egocurate.text_choices import TextForm


class RelevantSentences:
    """The distinct sentences of shards with the classes of their first clip, and relevancy by those.

    EgoVLP's release draws the text of a clip among all sentences of a relevancy above .1, and EgoVLPv2's weights the
    margin by it. A clip without such a sentence keeps its own, with relevancy 1.
    """

    def __init__(self, indexes: Sequence[ShardIndex], text: TextForm, above: float) -> None:
        """Read texts and classes of all samples; raises InputError if no clip has a verb class."""
        self._indexes, self._above = list(indexes), above
        self._sizes = (max(index.num_verbs for index in indexes), max(index.num_nouns for index in indexes))
        first: dict[str, tuple[Sequence[int], Sequence[int]]] = {}
        for index in indexes:
            for place in range(len(index)):
                row = index.row(place)
                first.setdefault(row.text_as(text), (row.tag_verb, row.tag_noun))
        self._texts = list(first)
        self._verbs, self._nouns = self._tags(list(first.values()))
        if not self._verbs.any():
            raise InputError(
                f"{indexes[0].folder}: no clip has a verb class, and relevancy is by classes; cut EPIC_100_train.csv "
                "with `curate shards --egoclip`"
            )

    def draw(self, batch: Batch, uniform: Tensor) -> tuple[list[str], Tensor]:
        """Return a text for each clip of a batch, by uniform float [M] in [0, 1), and its relevancy, float32 [M].

        All on the host: which clips there are is known there, and no device is waited for.
        """
        samples = zip(batch.source.tolist(), batch.sample.tolist(), strict=True)
        rows = [self._indexes[source].row(sample) for source, sample in samples]
        verbs, nouns = self._tags([(row.tag_verb, row.tag_noun) for row in rows])
        relevance = _relevancy(verbs, nouns, self._verbs, self._nouns)
        eligible = relevance > self._above
        count = eligible.sum(1)
        wanted = (uniform * count).long() + 1  # the sentence that is the so-manieth of those
        chosen = (eligible & (eligible.cumsum(1) == wanted[:, None])).float().argmax(1)
        drawn = relevance.gather(1, chosen[:, None])[:, 0].where(count > 0, 1.0)
        sentences = zip(chosen.tolist(), count.tolist(), batch.texts, strict=True)
        return [self._texts[place] if found else own for place, found, own in sentences], drawn

    def _tags(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        verbs, nouns = zip(*rows, strict=True)
        return multi_hot(verbs, self._sizes[0]).float(), multi_hot(nouns, self._sizes[1]).float()


def _relevancy(verbs: Tensor, nouns: Tensor, other_verbs: Tensor, other_nouns: Tensor) -> Tensor:
    """Return `models.metrics.retrieval.relevancy` [m, S] of multi-hot rows [m, V], [m, N] and [S, V], [S, N]."""
    common = nouns @ other_nouns.T
    union = nouns.sum(1)[:, None] + other_nouns.sum(1) - common
    return 0.5 * (verbs @ other_verbs.T > 0) + 0.5 * common / union.clamp(min=1)
