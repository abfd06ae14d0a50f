"""Which videos EgoMCQ may ask about: none that EgoClip trains on, and none that films the same scene."""

from __future__ import annotations

import pandas as pd

from egocurate.errors import InputError


def mcq_videos(videos: pd.DataFrame, which: str, trained_on: set[str] | None, splits_in: str) -> pd.DataFrame:
    """Return the rows of `videos` that questions may come from.

    `which` is "val" (videos of a benchmark's val split) or "all". `trained_on` are the uids of an EgoClip table; None
    stands for every video outside val and test with "val", and for no video with "all". A video of the same
    multi-camera scene as one trained on is out as well. Raises InputError where nothing is left; `splits_in` is where
    the source says which split a video is of.
    """
    chosen = videos[videos["split"] == "val"] if which == "val" else videos
    if chosen.empty:
        raise InputError(f"none of {len(videos):,} videos is in a val split, by {splits_in}; use --videos all")
    if trained_on is None:
        outside = videos[~videos["split"].isin(["val", "test"])]
        trained_on = set(outside["video_uid"]) if which == "val" else set()
    trained_scenes = set(videos.loc[videos["video_uid"].isin(trained_on), "scene"])
    left = chosen[~chosen["scene"].isin(trained_scenes)]
    if left.empty:
        raise InputError(
            f"all {len(chosen)} videos for EgoMCQ are in EgoClip or film the same scene as one of its videos; "
            "build EgoClip without them, or leave --egoclip out to ask about training videos knowingly"
        )
    return left
