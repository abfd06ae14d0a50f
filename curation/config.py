"""Settings of the two table jobs; light to import, so that `curate --help` can show the defaults."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from egocurate.curation.clips.filters import FILTERS
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.errors import InputError

PUBLISHED_ALPHA = 4.9
"""Mean over the videos of EgoClip of the mean gap between narrations, in seconds (EgoVLP, section 3.1)."""

DEFAULT_FILTERS = tuple(name for name in FILTERS if name not in ("fho_multi", "scores"))
"""Filters of a run; `fho_multi` also takes out videos whose hand-object clips have several splits, `scores` clips whose
scores are not in the ranges that a config names."""

REQUIRED_FILTERS = ("bad_time", "no_video", "empty_window")
"""Without a time, a duration or a length there is no clip, so these cannot be switched off."""

MOST_TEXT_NEGATIVES = 100

_VIDEO_SPLIT_FILTERS = ("val_test", "fho_multi")


class ScoreRange(NamedTuple):
    """What a score of the data set must be to keep a clip: from `least` to `most`, both included, None for no bound."""

    name: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class EgoClipConfig:
    """How narrations become clips: window strategy, alpha in seconds, filters by name, negatives of a clip.

    `mean_gap_sec` is the beta of passes that have none (None: the mean of the run; NaN: alpha, as there is no mean).
    `score_ranges` are what the filter "scores" asks for, None without it.
    """

    window: str = "egoclip"
    alpha: float | Literal["auto"] = PUBLISHED_ALPHA
    filters: tuple[str, ...] = DEFAULT_FILTERS
    min_clip_seconds: float = 0.0
    negatives_per_clip: int = 8
    negative_max_sec: float = 60.0
    mean_gap_sec: float | None = None
    score_ranges: tuple[ScoreRange, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse values no run could use; raises InputError."""
        _check_window(self.window, self.alpha)
        if bool(self.score_ranges) != ("scores" in self.filters):
            raise InputError("the filter 'scores' needs score_ranges, and these need the filter: give both or neither")
        for name in self.filters:
            if name not in FILTERS:
                raise InputError(f"filter {name!r} is not known; choose from {', '.join(FILTERS)}")
        for name in REQUIRED_FILTERS:
            if name not in self.filters:
                raise InputError(f"filter {name!r} cannot be switched off: a clip needs a time, a video and a length")
        if not (math.isfinite(self.min_clip_seconds) and self.min_clip_seconds >= 0):
            raise InputError(f"min_clip_seconds is {self.min_clip_seconds}; give 0 or a number of seconds")
        if self.negatives_per_clip < 0 or not self.negative_max_sec >= 0:
            given = f"negatives_per_clip {self.negatives_per_clip}, negative_max_sec {self.negative_max_sec}"
            raise InputError(f"{given}; give 0 or more")


@dataclass(frozen=True)
class TextNegativesConfig:
    """How many texts that are wrong of a clip are kept beside it, 0 for none, and the seed that draws them."""

    per_clip: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a number that cannot be; raises InputError."""
        if not 0 <= self.per_clip <= MOST_TEXT_NEGATIVES:
            raise InputError(f"--text-negatives {self.per_clip}: give 0 to {MOST_TEXT_NEGATIVES}")


NO_TEXT_NEGATIVES = TextNegativesConfig()


@dataclass(frozen=True)
class EgoMCQConfig:
    """How EgoMCQ is drawn: from which videos, how many questions of a kind, the seed, the windows of its clips.

    alpha None is that of the EgoClip beside, else PUBLISHED_ALPHA; `mean_gap_sec` is as for EgoClip.
    """

    videos: Literal["val", "all"] = "val"
    inter: int = 24_000
    intra: int = 15_000
    seed: int = 0
    alpha: float | Literal["auto"] | None = None
    window: str = "egoclip"
    mean_gap_sec: float | None = None

    def __post_init__(self) -> None:
        """Refuse values no run could use; raises InputError."""
        _check_window(self.window, PUBLISHED_ALPHA if self.alpha is None else self.alpha)
        if self.videos not in ("val", "all"):
            raise InputError(f"videos is {self.videos!r}; give 'val' or 'all'")
        if self.inter < 0 or self.intra < 0 or self.inter + self.intra == 0:
            raise InputError(f"inter {self.inter}, intra {self.intra}; ask for at least one question")

    def clips(self) -> EgoClipConfig:
        """Return how the clips of the questions are made: as EgoClip's, whatever the split of their video."""
        filters = tuple(name for name in DEFAULT_FILTERS if name not in _VIDEO_SPLIT_FILTERS)
        alpha = PUBLISHED_ALPHA if self.alpha is None else self.alpha
        return EgoClipConfig(window=self.window, alpha=alpha, filters=filters, mean_gap_sec=self.mean_gap_sec)


def _check_window(window: str, alpha: float | str) -> None:
    if window not in WINDOWS:
        raise InputError(f"window {window!r} is not known; choose from {', '.join(WINDOWS)}")
    if alpha == "auto":
        return
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not (math.isfinite(alpha) and alpha > 0):
        raise InputError(f"alpha is {alpha!r}; give a number of seconds above 0, or 'auto'")
