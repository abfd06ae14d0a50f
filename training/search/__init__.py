"""Search videos by words: an index of embedded windows on disk, and which stretches answer a text best."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.training.search.search_index import Hit as Hit
    from egocurate.training.search.search_index import SearchIndex as SearchIndex
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "Hit": "egocurate.training.search.search_index",
            "SearchIndex": "egocurate.training.search.search_index",
        },
    )
