"""Open a source by the name of its kind."""

from pathlib import Path

from curation.sources import Source
from curation.sources.ego4d import Ego4DSource
from curation.sources.epic_kitchens import EpicKitchensSource
from curation.sources.table import TableSource
from shards.errors import InputError

SOURCES = {"ego4d": Ego4DSource, "epic-kitchens": EpicKitchensSource, "table": TableSource}


def open_source(kind: str, root: Path) -> Source:
    """Open `root` as a data set of `kind`, a key of SOURCES; raises InputError for another kind or a wrong root."""
    if kind not in SOURCES:
        raise InputError(f"source {kind!r} is not known; choose from {', '.join(SOURCES)}")
    return SOURCES[kind](root)
