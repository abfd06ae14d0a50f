"""`train.py features`: features of long videos, as Ego4D's NLQ and MQ models read them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from egocurate.commands.train_verbs.parser import INCOMPLETE, verb_parser
from egocurate.commands.train_verbs.progress import progress
from egocurate.errors import InputError
from egocurate.loaders.long_videos import find_videos
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.run.load_run import read_run, restore
from egocurate.training.tasks.features import FeatureJob, write_features

NAMED = 20  # of the bad videos, so many are named
EXAMPLES = """examples:
  python train.py features runs/1 --videos ego4d/v2/full_scale --out features/1
  torchrun --standalone --nproc-per-node 8 train.py features runs/2 --videos nlq_videos.txt --out features/2

OUT gets <video>.pt, a float32 tensor [N, D]: VSLNet and VSGN read it as it is. Repeat the line to go on after a stop.
Exit status: 0; 2 for a mistake, in one line; 3 if videos could not be read (OUT/failed says why)."""


def features(arguments: list[str]) -> int:
    """Write features of videos; returns the exit status. Every rank calls this; raises InputError for a mistake."""
    given = _parse(arguments)
    config = read_run(Path(given.run), given.set)
    shown = config.data
    videos = find_videos(given.videos)
    if not given.rate > 0:
        raise InputError(f"--rate {given.rate}: give clips per second above 0")
    job = FeatureJob(videos, Path(given.out), given.rate, shown.frames, shown.size, shown.workers)
    with open_ranks(config) as ranks:
        system, step = restore(config, ranks)
        made_by = {"run": str(Path(given.run).resolve()), "step": step, "bf16": ranks.bf16}
        bad = write_features(job, made_by, system, ranks, progress(ranks))
        if ranks.main:
            for name in list(bad)[:NAMED]:
                print(f"bad: {videos[name]} ({bad[name]})", file=sys.stderr)
            if len(bad) > NAMED:
                print(f"and {len(bad) - NAMED:,} more bad ones: {job.out / 'failed'} names them", file=sys.stderr)
            print(f"{len(videos) - len(bad):,} of {len(videos):,} videos have features in {job.out}", flush=True)
    return INCOMPLETE if bad else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    description = "An embedding for each clip of long videos, with the weights of a run's newest checkpoint."
    parser = verb_parser("features", description, EXAMPLES)
    parser.add_argument("--videos", required=True, help="folder of videos, or a text file with a path on each line")
    parser.add_argument("--out", required=True, help="folder for the features")
    parser.add_argument("--rate", type=float, default=1.875, help="clips per second (default 1.875)")
    return parser.parse_args(arguments)
