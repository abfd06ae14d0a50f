"""Open a source by the name of its kind."""

from egocurate.curation.sources import Source
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.curation.sources.table import TableSource
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

SOURCES = {"ego4d": Ego4DSource, "epic-kitchens": EpicKitchensSource, "table": TableSource}


def open_source(kind: str, root: str | AnyPath) -> Source:
    """Open `root` as a data set of `kind`, a key of SOURCES; raises InputError for another kind or a wrong root."""
    if kind not in SOURCES:
        raise InputError(f"source {kind!r} is not known; choose from {', '.join(SOURCES)}")
    return SOURCES[kind](root)
