"""Bytes: cut clips out of videos, write tar shards with an index, check and mend them, read any sample by its row."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.shards.check.repair import repair as repair
    from egocurate.shards.check.verify import verify as verify
    from egocurate.shards.profiles import PROFILES as PROFILES
    from egocurate.shards.read.index import ShardIndex as ShardIndex
    from egocurate.shards.write.job import ShardJob as ShardJob
    from egocurate.shards.write.job import VideoFile as VideoFile
    from egocurate.shards.write.write_shards import write_shards as write_shards
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "PROFILES": "egocurate.shards.profiles",
            "ShardIndex": "egocurate.shards.read.index",
            "ShardJob": "egocurate.shards.write.job",
            "VideoFile": "egocurate.shards.write.job",
            "repair": "egocurate.shards.check.repair",
            "verify": "egocurate.shards.check.verify",
            "write_shards": "egocurate.shards.write.write_shards",
        },
    )
