"""What an output folder holds, as its run records, its tables and its shards tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS, find_clip_table
from egocurate.commands.output.run_record import read_run
from egocurate.commands.report.charts import Bars, bars
from egocurate.commands.report.strips import open_shards
from egocurate.commands.report.timeline import SEGMENTS
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon
from egocurate.errors import InputError
from egocurate.questions import QUESTIONS_FILE, Question, read_questions
from egocurate.shards.read.index import ShardIndex
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed

_REJECTED = pa.schema(
    [
        ("video_uid", pa.string()),
        ("narration_source", pa.string()),
        ("narration_ind", pa.int64()),
        ("narration_time", pa.float64()),
        ("clip_text", pa.string()),
        ("reason", pa.string()),
    ]
)
_REASONS = pa.schema([("reason", pa.string())])


@dataclass(frozen=True)
class Folder:
    """The tables, run records, questions and shards of an output folder; None or {} for what it has not."""

    path: AnyPath
    name: str
    table: pa.Table
    rejected: pa.Table
    lexicon: Lexicon
    runs: dict[str, dict]
    asked: dict[str, Question]
    shards: dict[str, ShardIndex]

    @property
    def gaps(self) -> dict[str, float]:
        """Alpha, and the mean gap of the passes, as the run found them; {} without a record."""
        return self.runs["egoclip"]["counts"].get("beta", {}) if "egoclip" in self.runs else {}


@dataclass(frozen=True)
class ShardFacts:
    """What a shard folder holds, in words, and the clips that could not be written by reason."""

    name: str
    lines: list[str]
    failed: Bars | None


def window_of(runs: Mapping[str, dict]) -> str:
    """Return the window strategy of a folder's run, SEGMENTS where the data gave start and end, "" without a record."""
    run = runs.get("egoclip")
    return "" if run is None else SEGMENTS if run["counts"].get("segmented") else str(run["config"]["window"])


def open_folder(path: AnyPath) -> Folder:
    """Read an output folder; InputError where there is no egoclip.parquet, or one without clips."""
    clips = find_clip_table(path)
    table = read_clips(clips)
    if not table.num_rows:
        raise InputError(f"{clips}: has no clips; there is nothing to report")
    rejected, questions = path / "rejected.parquet", path / QUESTIONS_FILE
    runs = {verb: read_run(path, verb) for verb in ("egoclip", "egomcq")}
    shards = {name: open_shards(path / name) for name in (SHARDS, MCQ_SHARDS)}
    return Folder(
        path=path,
        name=path.resolve().name,
        table=table,
        rejected=read_typed(rejected, _REJECTED, nullable=("narration_time",))
        if rejected.exists()
        else _REJECTED.empty_table(),
        lexicon=load_lexicon(path / "lexicon"),
        runs={verb: record for verb, record in runs.items() if record is not None},
        asked=read_questions(questions) if questions.exists() else {},
        shards={name: index for name, index in shards.items() if index is not None},
    )


def count_tars(index: ShardIndex) -> str:
    """Say in how many tars a shard folder's clips are."""
    count = len(index.manifest["shards"])
    return f"{count:,} tar{'' if count == 1 else 's'}"


def shard_facts(name: str, index: ShardIndex) -> ShardFacts:
    """Sum up a shard folder, and read from its failed.parquet what could not be written."""
    size, profile = index.manifest["bytes"], index.manifest["profile"]
    lines = [
        f"{len(index):,} clips in {count_tars(index)}, {size / 1e6:,.1f} MB.",
        f"Profile {profile['name']}: {size / max(len(index), 1) / 1e3:,.1f} kB and "
        f"{index.frame_count.mean():.1f} frames a clip.",
    ]
    failed = index.folder / "failed.parquet"
    reasons = read_typed(failed, _REASONS)["reason"].value_counts().to_pylist() if failed.exists() else []
    reasons.sort(key=lambda row: -row["counts"])
    return ShardFacts(name, lines, bars([[(row["values"], row["counts"]) for row in reasons]])[0])
