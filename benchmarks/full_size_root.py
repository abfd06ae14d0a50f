"""Write an annotation root of Ego4D's size without videos: `python -m benchmarks.full_size_root --out R --videos 9600`.

All of it is invented. It has what the real one has: two annotators, narrations out of order or at one time, #unsure,
short texts, times beyond the video, blanked stretches, stereo, val and test videos, scenes of several cameras.
"""

from __future__ import annotations

import argparse
import csv
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.full_size_words import NOUNS, VERBS, draw_texts

NARRATIONS_PER_VIDEO = 401  # 3.85 M in 9,600 videos
MEAN_SEC = 1370  # 3,670 h in 9,645 videos
_ROLES, _SHARES = ("train", "val", "test"), (0.76, 0.15, 0.09)


def write_full_size_root(root: Path, videos: int, narrations: int | None = None, seed: int = 0) -> int:
    """Write a root of that many videos and about so many narrations, 401 a video if not said; return their number."""
    narrations = videos * NARRATIONS_PER_VIDEO if narrations is None else narrations
    rng = np.random.default_rng(seed)
    folder = root / "v2" / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    uids = [str(uuid.UUID(int=int.from_bytes(rng.bytes(16)), version=4)) for _ in range(videos)]
    seconds = np.clip(rng.lognormal(0, 0.8, videos), 0.02, 20) * MEAN_SEC / np.exp(0.32)
    weight = seconds * rng.lognormal(0, 0.5, videos)
    silent = rng.random(videos) < 0.04
    counts = np.maximum(np.round(narrations * weight / weight[~silent].sum()), 2).astype(int)
    counts[silent] = 0
    role = rng.choice(_ROLES, videos, p=_SHARES)
    redacted = rng.random(videos) < 0.02
    with (folder / "narration.json").open("w") as file:
        for i, uid in enumerate(uids):
            entry = _narrated(rng, uid, int(counts[i]), float(seconds[i]))
            file.write(("{" if i == 0 else ", ") + f"{json.dumps(uid)}: {json.dumps(entry)}")
        file.write("}\n")
    entries = [
        _video(rng, uid, float(seconds[i]), role[i] if i % 2 else "", bool(redacted[i])) for i, uid in enumerate(uids)
    ]
    _write_json(root / "ego4d.json", {"version": "v2", "videos": entries, "concurrent_video_sets": _sets(rng, uids)})
    # Every other video says its split in its metadata alone, the others in a benchmark's file alone.
    for split, name in (("val", "nlq_val.json"), ("test", "nlq_test_unannotated.json")):
        listed = [uids[i] for i in range(0, videos, 2) if role[i] == split]
        _write_json(folder / name, {"videos": [{"video_uid": uid, "clips": []} for uid in listed]})
    _write_taxonomy(folder / "narration_verb_taxonomy.csv", VERBS)
    _write_taxonomy(folder / "narration_noun_taxonomy.csv", NOUNS)
    return int(counts.sum())


def _narrated(rng: np.random.Generator, uid: str, count: int, seconds: float) -> dict:
    if not count:
        return {"status": "redacted"}
    first = count if count < 4 or rng.random() < 0.05 else count // 2  # a few videos have one annotator
    passes = {"narration_pass_1": first, "narration_pass_2": count - first}
    entry: dict[str, object] = {name: _pass(rng, f"{uid}/{name}", size, seconds) for name, size in passes.items()}
    return entry | {"status": "complete"}


def _pass(rng: np.random.Generator, name: str, count: int, seconds: float) -> dict:
    annotation = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    gaps = rng.gamma(0.6, size=count + 1)  # narrations come in bursts
    time = np.cumsum(gaps)[:-1] / max(gaps.sum(), 1e-9) * seconds
    time[1:] = np.where(rng.random(max(count - 1, 0)) < 0.01, time[:-1], time[1:])  # of one instant
    time[rng.random(count) < 0.001] = seconds + 1.5
    swap = np.flatnonzero(rng.random(max(count - 1, 0)) < 0.01)
    time[swap], time[swap + 1] = time[swap + 1], time[swap]
    items = [
        {
            "timestamp_sec": second,
            "timestamp_frame": int(30 * second),
            "_unmapped_timestamp_sec": second,
            "narration_text": text,
            "annotation_uid": annotation,
        }
        for second, text in zip(time.round(5).tolist(), draw_texts(rng, count), strict=True)
    ]
    return {"narrations": items, "summaries": []}


def _video(rng: np.random.Generator, uid: str, seconds: float, split: str, redacted: bool) -> dict:
    stereo, wide = rng.random(2) < (0.013, 0.004)
    begin = seconds / 3
    return {
        "video_uid": uid,
        "duration_sec": seconds,
        "scenarios": ["Cooking", "Cleaning / laundry", "Carpenter", "Gardening"][: rng.integers(1, 3)],
        "is_stereo": bool(stereo),
        "split_em": split or None,
        "split_av": None,
        "split_fho": "multi" if rng.random() < 0.01 else None,
        "has_redacted_regions": redacted,
        "redacted_intervals": [{"start_sec": begin, "end_sec": begin + 20.0}] if redacted else [],
        "video_metadata": {
            "fps": 30.0,
            "display_resolution_width": 3840 if wide else 1920,
            "display_resolution_height": 1080,
            "mp4_duration_sec": seconds,
        },
    }


def _sets(rng: np.random.Generator, uids: list[str]) -> list[dict]:
    """Film one scene in 25 with two to four cameras; an eighth of these sets are marked as not valid."""
    order = rng.permutation(len(uids))
    sets, at = [], 0
    while at + 4 <= len(uids) // 8:
        size = int(rng.integers(2, 5))
        cameras = [{"video_uid": uids[i], "video_start_offset_sec": 0.0} for i in order[at : at + size]]
        sets.append({"concurrent_video_set_id": len(sets), "valid": bool(rng.random() > 0.125), "videos": cameras})
        at += size
    return sets


def _write_taxonomy(path: Path, classes: Mapping[str, tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "group"])
        writer.writerows((label, str(sorted(words))) for label, words in sorted(classes.items()))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value) + "\n")


def main() -> None:
    """Write a root where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=9600)
    parser.add_argument("--narrations", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = write_full_size_root(given.out, given.videos, given.narrations, given.seed)
    print(f"{given.out}: {given.videos:,} videos, {count:,} narrations")


if __name__ == "__main__":
    main()
