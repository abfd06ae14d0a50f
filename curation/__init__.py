"""Text and time: narrations become the EgoClip table with classes and hard negatives, and EgoMCQ's questions."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.curation.clips.egoclip import build_egoclip as build_egoclip
    from egocurate.curation.config import EgoClipConfig as EgoClipConfig
    from egocurate.curation.config import EgoMCQConfig as EgoMCQConfig
    from egocurate.curation.egomcq.draw import build_egomcq as build_egomcq
    from egocurate.curation.sources.open import open_source as open_source
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "EgoClipConfig": "egocurate.curation.config",
            "EgoMCQConfig": "egocurate.curation.config",
            "build_egoclip": "egocurate.curation.clips.egoclip",
            "build_egomcq": "egocurate.curation.egomcq.draw",
            "open_source": "egocurate.curation.sources.open",
        },
    )
