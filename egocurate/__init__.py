"""EgoCurate: from Ego4D narrations to a trained egocentric video-language model.

Each name below is imported when it is first used: `import egocurate` itself loads no other package.
"""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.curation.clips.read_clips import read_clips as read_clips
    from egocurate.curation.sources.open import open_source as open_source
    from egocurate.errors import InputError as InputError
    from egocurate.loaders.clip_stream import stream as stream
    from egocurate.models.known_releases import releases as releases
    from egocurate.shards.read.index import ShardIndex as ShardIndex
    from egocurate.training.export.save_model import save as save
    from egocurate.training.run.load_model import load_model as load_model
    from egocurate.version import __version__ as __version__
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "InputError": "egocurate.errors",
            "ShardIndex": "egocurate.shards.read.index",
            "__version__": "egocurate.version",
            "load_model": "egocurate.training.run.load_model",
            "open_source": "egocurate.curation.sources.open",
            "read_clips": "egocurate.curation.clips.read_clips",
            "releases": "egocurate.models.known_releases",
            "save": "egocurate.training.export.save_model",
            "stream": "egocurate.loaders.clip_stream",
        },
    )
