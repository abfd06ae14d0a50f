"""Write the synthetic Ego4D root: ego4d.json, narration.json, taxonomies, split files and rendered videos."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from egocurate.curation.synthetic.render_all import RenderJob, render_all
from egocurate.curation.synthetic.script import NOUNS, VERBS, Script, narrate, write_script
from egocurate.curation.synthetic.stamp import is_made
from egocurate.progress import Report, silent
from egocurate.storage.atomic import write_json


@dataclass(frozen=True)
class DemoRootConfig:
    """Size of the synthetic root: `train` videos to learn from and `val` ones that only questions come from."""

    train: int = 56
    val: int = 16
    video_sec: float = 60.0
    side: int = 128
    fps: int = 30
    seed: int = 0


def write_demo_root(root: Path, config: DemoRootConfig | None = None, report: Report = silent) -> None:
    """Write a synthetic Ego4D root; a finished one with the same config is left as it is.

    The first train video has a redacted stretch, the second is told by one annotator only, and the last two are
    one scene filmed by two cameras; one more video is stereo and one belongs to a test split, both for the filters.
    """
    config = config or DemoRootConfig()
    stamp = root / "demo_root.json"
    if is_made(stamp, config, "a synthetic root"):
        return
    annotations, videos_dir = root / "v2" / "annotations", root / "v2" / "full_scale"
    annotations.mkdir(parents=True, exist_ok=True)
    videos_dir.mkdir(parents=True, exist_ok=True)

    roles = _roles(config)
    scripts = demo_scripts(config)
    uids = list(scripts)
    jobs = [RenderJob(script, videos_dir / f"{uid}.mp4", i) for i, (uid, script) in enumerate(scripts.items())]
    render_all(jobs, side=config.side, fps=config.fps, report=report)

    narration, videos = {}, []
    for i, (uid, role, script) in enumerate(zip(uids, roles, scripts.values(), strict=True)):
        passes = {f"narration_pass_{p}": _pass(script, uid, p, config.seed, i) for p in ((1,) if i == 1 else (1, 2))}
        narration[uid] = {**passes, "status": "complete"}
        redacted = [{"start_sec": 10.0, "end_sec": 14.0, "start_frame": 300, "end_frame": 420}] if i == 0 else []
        videos.append(video_entry(uid, role, script, redacted, side=config.side, fps=config.fps))
    cameras = [
        {"concurrent_video_set_id": 0, "video_uid": uid, "video_start_offset_sec": 0.0}
        for uid in uids[config.train - 2 : config.train]
    ]
    metadata = {
        "date": "",
        "version": "v2",
        "description": "synthetic",
        "videos": videos,
        "clips": [],
        "concurrent_video_sets": [{"concurrent_video_set_id": 0, "valid": True, "videos": cameras}],
        "physical_settings": [],
    }
    val = {"videos": [{"video_uid": u, "clips": []} for u, r in zip(uids, roles, strict=True) if r == "val"]}
    write_json(annotations / "narration.json", narration)
    write_json(annotations / "nlq_val.json", val)
    _write_taxonomy(annotations / "narration_verb_taxonomy.csv", VERBS)
    _write_taxonomy(annotations / "narration_noun_taxonomy.csv", NOUNS)
    write_json(root / "ego4d.json", metadata)
    write_json(stamp, asdict(config))


def demo_scripts(config: DemoRootConfig) -> dict[str, Script]:
    """Return what happens in each video of a synthetic root, by video_uid, in the order of ego4d.json."""
    return {
        str(uuid.uuid5(uuid.NAMESPACE_URL, f"egocurate-demo/{config.seed}/{i}")): write_script(
            np.random.default_rng((config.seed, i)), config.video_sec
        )
        for i in range(len(_roles(config)))
    }


def _roles(config: DemoRootConfig) -> list[str]:
    return ["train"] * config.train + ["val"] * config.val + ["stereo", "test"]


def _pass(script: Script, uid: str, annotator: int, seed: int, video: int) -> dict:
    narrations = narrate(np.random.default_rng((seed, video, annotator)), script, annotator)
    annotation = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{uid}/{annotator}"))
    items = [
        {
            "timestamp_sec": round(time_sec, 5),
            "timestamp_frame": round(30 * time_sec),
            "_unmapped_timestamp_sec": round(time_sec, 5),
            "narration_text": text,
            "annotation_uid": annotation,
        }
        for time_sec, text in narrations
    ]
    if len(items) > 4:  # narration.json is out of order now and then, and so is this one
        items[2], items[3] = items[3], items[2]
    summary = {
        "start_sec": 0.0,
        "end_sec": script.duration_sec,
        "summary_text": "#Summary C handled things on a table",
        "annotation_uid": annotation,
    }
    return {"narrations": items, "summaries": [summary]}


def video_entry(uid: str, role: str, script: Script, redacted: list[dict], *, side: int, fps: int) -> dict:
    """Return what ego4d.json says of a video."""
    return {
        "video_uid": uid,
        "duration_sec": script.duration_sec,
        "scenarios": ["Handling objects" if int(uid[0], 16) % 2 else "Tidying a table"],
        "is_stereo": role == "stereo",
        "split_em": role if role in ("train", "val", "test") else None,
        "split_av": None,
        "split_fho": None,
        "video_source": "synthetic",
        "origin_video_id": None,
        "physical_setting_name": None,
        "fb_participant_id": None,
        "has_redacted_regions": bool(redacted),
        "redacted_intervals": redacted,
        "video_metadata": {
            "fps": float(fps),
            "num_frames": round(script.duration_sec * fps),
            "video_codec": "h264",
            "display_resolution_width": side,
            "display_resolution_height": side,
            "mp4_duration_sec": script.duration_sec,
            "video_start_sec": 0.0,
            "video_duration_sec": script.duration_sec,
        },
    }


def _write_taxonomy(path: Path, classes: Mapping[str, tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "group"])
        writer.writerows((label, str(sorted(words))) for label, words in sorted(classes.items()))
