"""Features of long videos by a run."""

from __future__ import annotations

import sys
from pathlib import Path

from egocurate.console import progress
from egocurate.loaders.videos.long_videos import find_videos
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.run_inputs import weights_fingerprint
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.features import FeatureJob, write_features

NAMED = 20  # of the bad videos, so many are named


def features_of_run(run: Path, videos: Path, out: Path, rate: float, changes: list[str]) -> bool:
    """Write features of videos, `rate` clips a second, into `out`; returns whether all could be read.

    Every rank calls this; the first one says what came out. `changes` are `key=value` settings of the run. Raises
    InputError for a user's mistake.
    """
    config = read_run(run, changes)
    paths = find_videos(videos)
    with open_ranks(config) as ranks, progress(ranks.main) as report:
        system, step = restore(config, ranks)
        data, at_once = config.data, clips_at_once(config, system, ranks)
        job = FeatureJob(paths, out, rate, data.frames, data.size, data.workers, at_once)
        weights = weights_fingerprint(run, step)
        made_by = {"run": str(run.resolve()), "weights": weights, "step": step, "bf16": ranks.bf16}
        bad = write_features(job, made_by, system, ranks, report)
        if ranks.main:
            for name in list(bad)[:NAMED]:
                print(f"bad: {paths[name]} ({bad[name]})", file=sys.stderr)
            if len(bad) > NAMED:
                print(f"and {len(bad) - NAMED:,} more bad ones: {out / 'failed'} names them", file=sys.stderr)
            print(f"{len(paths) - len(bad):,} of {len(paths):,} videos have features in {out}", flush=True)
    return not bad
