"""Tables that are made a block of videos at a time are those made at once, down to the bytes of their files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.curation.clips import coded_narrations
from egocurate.curation.clips.coded_narrations import CodedNarrations
from egocurate.curation.clips.egoclip import build_egoclip, build_tables, open_lexicon, write_egoclip
from egocurate.curation.clips.selection import narrate, pace_of
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.storage import parquet
from egocurate.storage.parquet import row_groups, write_pieces

AT_ONCE, VIDEO_BY_VIDEO, SOME = 10**9, 1, 25


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[VIDEO_BY_VIDEO, SOME])
def block_rows(request):
    return request.param


@pytest.mark.parametrize("config", [{}, {"alpha": "auto"}, {"window": "adaptive", "min_clip_seconds": 0.5}])
def test_blocks_do_not_show_in_the_tables(hostile_root, tmp_path, monkeypatch, block_rows, config):
    source, made = Ego4DSource(hostile_root), {}
    for rows in (AT_ONCE, block_rows):
        monkeypatch.setattr(coded_narrations, "BLOCK_ROWS", rows)
        made[rows] = build_egoclip(source, EgoClipConfig(**config))
        write_egoclip(made[rows], tmp_path / str(rows))
    whole, blocks = made[AT_ONCE], made[block_rows]
    assert len(list(whole.pieces())) == 1 < len(list(blocks.pieces()))
    for part in ("counts", "reasons", "beta", "clips", "videos"):
        assert getattr(whole, part) == getattr(blocks, part)
    assert whole.table.equals(blocks.table) and whole.table.schema.equals(blocks.table.schema, check_metadata=True)
    assert whole.rejected.equals(blocks.rejected)
    assert contents(tmp_path / str(AT_ONCE)) == contents(tmp_path / str(block_rows))


def test_what_is_counted_is_what_the_tables_hold(hostile_root):
    made = build_egoclip(Ego4DSource(hostile_root), EgoClipConfig())
    assert made.clips == len(made.table) and made.videos == len(made.table["video_uid"].unique())
    reasons = pd.Series(made.rejected["reason"].to_pylist()).value_counts()
    assert made.reasons == reasons.to_dict() and list(made.reasons.values()) == sorted(reasons, reverse=True)


def test_narrations_in_any_order_give_the_same_tables(hostile_root, monkeypatch, block_rows):
    source = Ego4DSource(hostile_root)
    narrations, videos = source.narrations(), source.videos()
    lexicon = open_lexicon(source, "auto", narrations)
    mixed = narrations.iloc[np.random.default_rng(0).permutation(len(narrations))]
    expected = build_tables(narrations, videos, EgoClipConfig(), lexicon).table
    monkeypatch.setattr(coded_narrations, "BLOCK_ROWS", block_rows)
    for frame in (mixed, mixed.assign(video_uid=mixed["video_uid"].astype(object))):
        assert build_tables(frame, videos, EgoClipConfig(), lexicon).table.equals(expected)


def test_blocks_are_of_whole_videos_and_hold_all(hostile_root, monkeypatch, block_rows):
    source = Ego4DSource(hostile_root)
    monkeypatch.setattr(coded_narrations, "BLOCK_ROWS", block_rows)
    coded = CodedNarrations(source.narrations(), source.videos())
    frames = [coded.frame(block) for block in coded.blocks]
    assert sum(map(len, frames)) == len(coded) and len(frames) > 1
    videos = [set(frame["video"]) for frame in frames]
    assert sum(map(len, videos)) == len(set().union(*videos))
    least = [len(frame) - (frame["video"] == frame["video"].iloc[-1]).sum() for frame in frames]
    assert max(least) < block_rows
    assert pace_of(source.narrations(), source.videos(), EgoClipConfig(alpha="auto")).gaps == (
        narrate(source.narrations(), source.videos(), EgoClipConfig(alpha="auto")).gaps
    )


@pytest.mark.parametrize("sizes", [[10], [1] * 10, [3, 0, 7], [4, 4, 2], [0]])
def test_a_file_does_not_tell_how_its_pieces_were_cut(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    table = pa.table({"n": range(sum(sizes)), "text": [str(n) for n in range(sum(sizes))]})
    ends = np.cumsum(sizes).tolist()
    for name, pieces in (
        ("whole", [table]),
        ("cut", [table.slice(end - size, size) for end, size in zip(ends, sizes, strict=True)]),
    ):
        with (tmp_path / name).open("wb") as file:
            write_pieces(row_groups(pieces), file)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "cut").read_bytes()
    with pq.ParquetFile(tmp_path / "cut") as file:
        groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        assert file.read().equals(table)
    assert groups == [4] * (len(table) // 4) + [len(table) % 4] * (len(table) % 4 > 0 or not len(table))
