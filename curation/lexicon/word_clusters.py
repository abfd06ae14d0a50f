"""Groups of words that mean one thing and are used alike: the nearest two are merged until none is near enough."""

from dataclasses import dataclass

import numpy as np

# Of a word seen in few contexts its use is not known: nearness counts as this much, as if seen in so many contexts.
_UNKNOWN, _UNKNOWN_COUNTS = 0.5, 5


@dataclass(frozen=True)
class Evidence:
    """What speaks for one meaning of pairs of words: rows first < second (m,), weight (m,) in 0..1, apart (m,) bool."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    apart: np.ndarray


def affinity(counts: np.ndarray) -> np.ndarray:
    """Return how alike rows are as distributions, (n, n) in 0..1: the Bhattacharyya coefficient.

    counts: (n, contexts), how often a word is seen with each context word.
    """
    roots = _roots(counts)
    return roots @ roots.T


def nearness(alike: np.ndarray, total: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the affinity of pairs as a share of what both words reach with their nearest other words, (m,) in 0..1.

    alike: (n, n) affinities with a zero diagonal; total: (n,) counts; first, second: (m,) rows. The affinity itself
    grows with the number of texts, this share does not. It is drawn to one half for words with few counts.
    """
    best = alike.max(axis=1, initial=0.0)
    share = alike[first, second] / np.maximum(np.sqrt(best[first] * best[second]), 1e-12)
    known = np.minimum(total[first], total[second])
    return (known * share + _UNKNOWN_COUNTS * _UNKNOWN) / (known + _UNKNOWN_COUNTS)


def grouped(counts: np.ndarray, pairs: Evidence, least: float) -> list[list[int]]:
    """Merge the two groups with the highest evidence x nearness while it is at least `least`; return rows, ascending.

    counts: (n, contexts). A group is used as its words together are. Two groups have the harmonic mean of the evidence
    of their best pair and of their average pair, which words weigh on by their counts: the best pair alone chains
    groups together ("prepare", "cook", "fry"), the average alone keeps a third synonym out, and where the two are far
    apart the average tells more. Ties go to the pair that comes first.
    """
    counts = counts.astype(np.float64)
    total = counts.sum(axis=1)
    alike = affinity(counts)
    np.fill_diagonal(alike, 0)
    members: list[list[int]] = [[row] for row in range(len(counts))]
    known = _Pairs(pairs, len(counts))
    while len(known.first):
        scores = known.evidence() * nearness(alike, total, known.first, known.second)
        at = int(np.argmax(scores))
        if scores[at] < least:
            break
        keep, gone = int(known.first[at]), int(known.second[at])
        known.join(keep, gone, total)
        members[keep] = sorted(members[keep] + members[gone])
        members[gone] = []
        counts[keep] += counts[gone]
        total[keep] += total[gone]
        counts[gone] = total[gone] = 0
        roots = _roots(counts[[keep]])[0]
        alike[keep] = alike[:, keep] = np.sqrt(counts) @ roots / np.sqrt(np.maximum(total, 1e-12))
        alike[gone] = alike[:, gone] = alike[keep, keep] = 0
    return [rows for rows in members if rows]


def _roots(counts: np.ndarray) -> np.ndarray:
    return np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12))


class _Pairs:
    """The pairs of groups that have evidence, as arrays in a fixed order, and what a merge does to them."""

    def __init__(self, pairs: Evidence, rows: int) -> None:
        self.first, self.second = pairs.first.copy(), pairs.second.copy()
        self._best, self._mean = pairs.weight.astype(np.float64), pairs.weight.astype(np.float64)
        self._apart, self._rows = pairs.apart.copy(), rows

    def evidence(self) -> np.ndarray:
        both = np.maximum(self._best + self._mean, 1e-12)
        return np.where(self._apart, 0.0, 2 * self._best * self._mean / both)

    def join(self, keep: int, gone: int, total: np.ndarray) -> None:
        """Replace the pairs of `keep` and of `gone` by pairs of both together."""
        of_kept = self._with(keep, gone)
        of_gone = self._with(gone, keep)
        share = total[keep] / max(total[keep] + total[gone], 1e-12)
        others = sorted(of_kept.keys() | of_gone.keys())
        none = (0.0, 0.0, False)
        both = [(of_kept.get(other, none), of_gone.get(other, none)) for other in others]
        stay = ~np.isin(self.first, (keep, gone)) & ~np.isin(self.second, (keep, gone))
        other = np.array(others, dtype=np.int64)
        self.first = np.concatenate([self.first[stay], np.minimum(other, keep)])
        self.second = np.concatenate([self.second[stay], np.maximum(other, keep)])
        self._best = np.concatenate([self._best[stay], [max(a[0], b[0]) for a, b in both]])
        self._mean = np.concatenate([self._mean[stay], [share * a[1] + (1 - share) * b[1] for a, b in both]])
        self._apart = np.concatenate([self._apart[stay], np.array([a[2] or b[2] for a, b in both], dtype=bool)])

    def _with(self, row: int, but: int) -> dict[int, tuple[float, float, bool]]:
        at = np.flatnonzero((self.first == row) | (self.second == row))
        related = {}
        for index in at:
            other = int(self.first[index] + self.second[index] - row)
            if other != but:
                related[other] = (float(self._best[index]), float(self._mean[index]), bool(self._apart[index]))
        return related
