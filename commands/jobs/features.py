"""Features of long videos by a run or a release."""

from __future__ import annotations

import sys
from pathlib import Path

from egocurate.console import progress
from egocurate.loaders.videos.long_videos import find_videos
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.run.model_source import ModelSource
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.features import FeatureJob, write_features

NAMED = 20  # of the bad videos, so many are named


def features_of_run(source: ModelSource, videos: Path, out: Path, rate: float, changes: list[str]) -> bool:
    """Write features of videos, `rate` clips a second, into `out`; returns whether all could be read.

    Every rank calls this; the first one says what came out. `changes` are `key=value` settings of the model.
    Raises InputError for a user's mistake.
    """
    config = source.read(changes)
    paths = find_videos(videos)
    with open_ranks(config) as ranks, progress(ranks.main) as report:
        loaded = source.load(config, ranks)
        system = loaded.system
        data, at_once = config.data, clips_at_once(config, system, ranks)
        job = FeatureJob(paths, out, rate, data.frames, data.size, data.workers, at_once)
        made_by = {"run": source.where, "weights": loaded.digest, **loaded.origin, "bf16": ranks.bf16}
        bad = write_features(job, made_by, system, ranks, report)
        if ranks.main:
            for name in list(bad)[:NAMED]:
                print(f"bad: {paths[name]} ({bad[name]})", file=sys.stderr)
            if len(bad) > NAMED:
                print(f"and {len(bad) - NAMED:,} more bad ones: {out / 'failed'} names them", file=sys.stderr)
            print(f"{len(paths) - len(bad):,} of {len(paths):,} videos have features in {out}", flush=True)
    return not bad
