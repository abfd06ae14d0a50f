"""The features of clips in memory, pooled to a length, and which clips have none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from egocurate.progress import Report
from egocurate.training.localization.ego4d_json import ClipEntry
from egocurate.training.localization.feature_folders import BadFeatures, FeatureFolders
from egocurate.training.localization.pooled import Pooled, pool


class ClipFeatures:
    """Features of clips by the clip's name; `bad` says of each video or clip that has none, why."""

    def __init__(self, pooled: dict[str, Pooled], bad: dict[str, str]) -> None:
        """Take the features of clips, all of one width."""
        self.pooled, self.bad = pooled, bad
        self.width = next(iter(pooled.values())).rows.shape[1] if pooled else 0

    def batch(self, uids: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return features [B, P, D] of clips, 0 behind the end of each, and which positions there are, bool [B, P]."""
        rows = [self.pooled[uid].rows for uid in uids]
        count = torch.tensor([len(part) for part in rows])
        video = torch.zeros(len(rows), int(count.max()), self.width)
        for place, part in enumerate(rows):
            video[place, : len(part)] = torch.from_numpy(part)
        seen = torch.arange(video.shape[1]) < count[:, None]
        return video.to(device), seen.to(device)


def load_clips(clips: Iterable[ClipEntry], folders: FeatureFolders, longest: int, report: Report) -> ClipFeatures:
    """Read each video's features once, and keep of each clip at most `longest` positions."""
    by_video: dict[str, dict[str, ClipEntry]] = {}
    for clip in clips:
        by_video.setdefault(clip.video, {})[clip.uid] = clip
    pooled: dict[str, Pooled] = {}
    bad: dict[str, str] = {}
    for done, (video, its_clips) in enumerate(by_video.items(), 1):
        try:
            rows = folders.rows(video)
        except BadFeatures as error:
            bad[video] = str(error)
            continue
        for clip in its_clips.values():
            try:
                pooled[clip.uid] = _of_clip(rows, clip, folders, longest)
            except BadFeatures as error:
                bad[clip.uid] = f"{video}, clip {clip.uid}: {error}"
        report("features", done, len(by_video))
    return ClipFeatures(pooled, bad)


def _of_clip(video: np.ndarray, clip: ClipEntry, folders: FeatureFolders, longest: int) -> Pooled:
    rows, first = folders.of_clip(video, clip.start_sec, clip.end_sec)
    begins = (first + np.arange(len(rows))) / folders.rate - clip.start_sec
    return pool(rows, longest, begins, clip.length_sec)
