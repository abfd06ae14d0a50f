import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from egocurate.curation.clips.segments import fixed_segments
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.shards.read.index import ShardIndex


def frame(durations: dict[str, float], redacted: dict[str, Sequence[tuple[float, float]]] | None = None):
    uids = list(durations)
    stretches = pd.Series([list((redacted or {}).get(uid, [])) for uid in uids], dtype=object)
    return pd.DataFrame({"video_uid": uids, "video_dur": list(durations.values()), "redacted": stretches})


def test_segments_tile_each_video_and_leave_out_what_is_not_whole():
    table = fixed_segments(frame({"z": 130.0, "a": 12.0, "tiny": 3.9}), seconds=4.0, stride=4.0)
    rows = table.to_pylist()
    assert [row["clip_idx"] for row in rows] == list(range(35))
    assert [(row["video_uid"], row["clip_start"], row["clip_end"]) for row in rows[:4]] == [
        ("a", 0.0, 4.0),
        ("a", 4.0, 8.0),
        ("a", 8.0, 12.0),
        ("z", 0.0, 4.0),
    ]
    assert len({row["key"] for row in rows}) == 35
    hoods = table["neighbourhood"].to_numpy()
    assert hoods.tolist() == [0] * 3 + [1] * 15 + [2] * 15 + [3] * 2
    assert all(row["text"] == "" and row["negatives"] == [] for row in rows)


@pytest.mark.parametrize(
    ("seconds", "stride", "starts"), [(4.0, 2.0, [0, 2, 4, 6]), (0.1, 5.0, [0, 5]), (20.0, 1.0, [])]
)
def test_segments_may_overlap_leave_gaps_or_not_fit(seconds, stride, starts):
    table = fixed_segments(frame({"a": 10.0}), seconds, stride)
    assert table["clip_start"].to_pylist() == starts


@pytest.mark.parametrize("seed", range(30))
def test_segments_are_those_of_the_grid_that_are_whole_and_not_redacted(seed):
    rng = np.random.default_rng(seed)
    seconds, stride = float(rng.integers(1, 6)), float(rng.integers(1, 6)) / 2
    durations = {f"v{i}": float(rng.integers(0, 300)) / 2 for i in range(4)}
    redacted = {
        uid: [tuple(np.sort(rng.integers(0, 100, 2)).tolist()) for _ in range(rng.integers(0, 4))] for uid in durations
    }
    expected = []
    for uid, duration in durations.items():
        i = 0
        while i * stride + seconds <= duration:
            start, end = i * stride, i * stride + seconds
            if not any(start <= b and end > a for a, b in redacted[uid]):
                expected.append((uid, i, start, end))
            i += 1
    table = fixed_segments(frame(durations, redacted), seconds, stride)
    names = ("video_uid", "narration_ind", "clip_start", "clip_end")
    assert list(zip(*(table[name].to_pylist() for name in names), strict=True)) == expected
    assert table["clip_idx"].to_pylist() == list(range(len(expected)))
    hoods = [(uid, (start + end) / 2 // 60) for uid, _, start, end in expected]
    numbers = {hood: n for n, hood in enumerate(dict.fromkeys(hoods))}
    assert table["neighbourhood"].to_pylist() == [numbers[hood] for hood in hoods]


def test_a_video_of_unknown_length_gets_one_segment():
    table = fixed_segments(frame({"a": float("nan"), "b": 8.0}), 4.0, 4.0)
    assert list(zip(table["video_uid"].to_pylist(), table["clip_start"].to_pylist(), strict=True)) == [
        ("a", 0.0),
        ("b", 0.0),
        ("b", 4.0),
    ]
    assert table["video_dur"].null_count == 0 and np.isfinite(table["video_dur"].to_numpy()).all()


@pytest.fixture(scope="module")
def segments(tiny_root: Path, curate, tmp_path_factory):
    """A folder of 3 s segments, one every 2 s, of the tiny root and a video of unknown length that does not open."""
    root = tmp_path_factory.mktemp("segments") / "root"
    shutil.copytree(tiny_root, root)
    metadata = json.loads((root / "ego4d.json").read_text())
    broken = metadata["videos"][2]["video_uid"]
    for video in metadata["videos"]:
        if video["video_uid"] == broken:
            video["duration_sec"] = None
            video["video_metadata"] = {}
    (root / "ego4d.json").write_text(json.dumps(metadata))
    (root / "v2" / "full_scale" / f"{broken}.mp4").write_bytes(b"this is no video" * 100)
    out = root.parent / "S"
    arguments = ("segments", "--ego4d-root", root, "--out", out, "--seconds", 3, "--stride", 2, "--json")
    return metadata["videos"], broken, out, curate(*arguments), arguments


def test_the_verb_cuts_every_video_but_redacted_stretches(segments):
    videos, broken, out, done, _ = segments
    assert done.returncode == 3, done.stderr
    index = ShardIndex.open(out)
    cut: dict[str, list[float]] = {}
    for i in range(len(index)):
        row = index.row(i)
        cut.setdefault(row.video_uid, []).append(row.clip_start)
        assert row.clip_end - row.clip_start == 3.0 and row.clip_text == row.text == ""
    redacted = next(video["video_uid"] for video in videos if video["redacted_intervals"])
    grid = [2.0 * i for i in range(9)]
    assert cut.pop(redacted) == [start for start in grid if start + 3 <= 10 or start > 14]
    assert set(cut) == {video["video_uid"] for video in videos} - {redacted, broken}
    assert all(starts == grid for starts in cut.values())
    failed = pq.read_table(out / "failed.parquet").to_pylist()
    assert [(row["video_uid"], row["reason"]) for row in failed] == [(broken, "cannot open")]
    stereo = next(video["video_uid"] for video in videos if video["is_stereo"])
    assert stereo in cut, "its left half is cut"


def test_segments_stream_without_negatives(segments):
    _, _, out, _, _ = segments
    data = stream(out, batch_size=8, config=StreamConfig(frames=4, size=32, workers=0, negatives=False))
    batches = list(data.epoch(0))
    assert len(batches) == len(ShardIndex.open(out)) // 8
    assert all(tuple(batch.frames.shape) == (8, 4, 3, 32, 32) for batch in batches)
    assert len({number for batch in batches for number in batch.sample.tolist()}) == 8 * len(batches)
    assert all(batch.frames.float().std() > 10 for batch in batches)


def test_the_same_command_again_changes_nothing(segments, curate):
    _, _, out, first, arguments = segments
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = curate(*arguments)
    assert again.returncode == first.returncode == 3
    assert "unchanged" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
