"""A small world in which the commands of the pages can be run: their folders, filled by their own first commands."""

import contextlib
import csv
import pickle
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

import egocurate.commands.jobs.demo
import egocurate.train
from egocurate.commands.curate import main
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.synthetic import (
    DemoRootConfig,
    LabeledRootConfig,
    LongRootConfig,
    SummaryRootConfig,
    write_demo_root,
    write_labeled_root,
    write_long_root,
    write_summary_root,
)
from egocurate.shards.read.index import ShardIndex
from egocurate.training.run import run_folder
from tests.shards.adopt.conftest import write_tar
from tests.training.tasks.test_evaluate import HEADER, SEGMENTS, row, write_csv, write_video

SMALL_ROOT = DemoRootConfig(train=6, val=6, video_sec=20.0, side=64, fps=15)
SMALL_LABELED_ROOT = LabeledRootConfig(
    train=12, test=6, long_train=4, long_test=1, motion_sec=1.0, video_sec=16.0, side=48, fps=10
)
ASK = "--mcq-json mine/egomcq.json --mcq-shards mine/egomcq-shards"
FIRST = (  # as the pages have them: what the commands of other pages build upon
    "curate demo --out demo",
    'curate search demo/run --videos demo/ego4d/v2/full_scale "lift the cup" "push the box" --sheet found.png '
    "--page found.html",
    "curate demo --long --out long",
    "curate features demo/run --videos long/v2/full_scale --out features/long",
    "curate nlq --features features/long --annotations long/v2/annotations/nlq_train.json "
    "long/v2/annotations/nlq_val.json --text demo/run --epochs 2 --out runs/nlq",
    "curate features demo/run --videos long/summaries/videos --rate 0.2 --out features/shots",
    "curate swap-quiz demo/egoclip",
    "curate egoclip --ego4d-root /data/ego4d --out /data/egoclip",
    "curate egomcq --ego4d-root /data/ego4d --out /data/egoclip",
    "curate egoclip --ego4d-root demo/ego4d --out mine --tables-only",
    "curate egoclip --ego4d-root demo/ego4d --out mine",
    "curate egoclip --ego4d-root demo/ego4d --out wrong --text-negatives 10",
    "curate egomcq --ego4d-root demo/ego4d --out wrong --inter 40 --intra 15",
    "curate swap-quiz wrong --swaps 5",
    "curate egomcq --ego4d-root demo/ego4d --out mine --inter 400 --intra 150",
    f"curate train egovlp-tiny --shards mine/shards {ASK} --out runs/first",
    "curate shards --egoclip /data/epic/retrieval_annotations/EPIC_100_retrieval_test.csv "
    "--source epic-kitchens --root /data/epic --out /data/epic-shards",
    "curate adopt /data/webvid --out /data/adopted",
    "curate lexicon /data/egoclip /data/adopted --out /data/lexicon",
    "curate segments --csv /data/labeled/motions/train.txt --label-names /data/labeled/motions/classes.txt "
    "--out /data/labels/train",
    "curate train videomae-tiny --shards /data/labels/train --out runs/pretrained",
)
SMALL_LONG_ROOT = LongRootConfig(train=3, val=1, clip_sec=16.0, side=48, fps=10)
SMALL_SUMMARY_ROOT = SummaryRootConfig(videos=2, video_sec=25.0, side=48, fps=10)
really_train = egocurate.train.train
really_find_checkpoint = run_folder.find_checkpoint


@dataclass(frozen=True)
class World:
    """A folder in which the pages' paths lead somewhere."""

    folder: Path

    def place(self, text: str) -> str:
        """Return a text of the pages with its absolute paths and its bucket inside this world."""
        text = re.sub(r"(?<![\w./])/(?=(data|shared|scratch)/)", f"{self.folder}/", text)
        return text.replace("s3://bucket/", f"{self.folder}/bucket/")

    def curate(self, line: str) -> int:
        """Run the words after `curate`, as a shell would with `> FILE` at their end; returns the exit status."""
        words, _, file = self.place(line).partition(" > ")
        with contextlib.chdir(self.folder), contextlib.ExitStack() as redirected:
            if file:
                said = redirected.enter_context(Path(file).open("w"))
                redirected.enter_context(contextlib.redirect_stdout(said))
            try:
                main(shlex.split(words))
            except SystemExit as left:
                return left.code or 0


def shrunk(config):
    """Return a config of two short steps; None for one at its published size, which is not trained here."""
    if config.compile or config.batch_size > 64:
        return None
    return replace(config, max_steps=2, batch_size=8, device="cpu", data=replace(config.data, workers=0))


def train_a_little(config, **options):
    """Train two steps of a small recipe; of one at its published size, say only that it would be trained."""
    return really_train(shrunk(config), **options) if shrunk(config) else None


def find_checkpoint_a_little(config, resume):
    """Look whether OUT can be trained into, of what is trained."""
    return really_find_checkpoint(shrunk(config), resume) if shrunk(config) else None


@contextlib.contextmanager
def small() -> Iterator[None]:
    """Have the demo small and training short; both end with the block, for other tests' sake."""
    small_demo = mock.patch.object(
        egocurate.commands.jobs.demo, "write_demo_root", partial(write_demo_root, config=SMALL_ROOT)
    )
    small_long = mock.patch.object(
        egocurate.commands.jobs.demo, "write_long_root", partial(write_long_root, config=SMALL_LONG_ROOT)
    )
    small_summaries = mock.patch.object(
        egocurate.commands.jobs.demo, "write_summary_root", partial(write_summary_root, config=SMALL_SUMMARY_ROOT)
    )
    little = mock.patch.object(egocurate.train, "train", train_a_little)
    looks = mock.patch.object(run_folder, "find_checkpoint", find_checkpoint_a_little)
    with small_demo, small_long, small_summaries, little, looks:
        yield


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The world after the pages' first commands."""
    folder = tmp_path_factory.mktemp("world")
    for name in ("data", "runs", "scratch/videos", "data/charades/CharadesEgo", "data/charades/CharadesEgo_v1_480"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "bucket").symlink_to("data")
    (folder / "shared").symlink_to("data")
    (folder / "data" / "ego4d").symlink_to("../demo/ego4d")
    (folder / "data" / "more").symlink_to("egoclip")
    (folder / "runs" / "egovlp").symlink_to("first")
    write_epic(folder / "data" / "epic")
    write_labeled_root(folder / "data" / "labeled", SMALL_LABELED_ROOT)
    for place in (folder, folder / "data"):
        (place / "labels.csv").write_text(
            "video,start_sec,end_sec,verb,noun\nP01_01.mp4,0.5,2.5,take,3\nP01_01.mp4,2.5,0:00:04,put,1\nP02_01.mp4,,,take,\n"
        )
    (folder / "P01_01.mp4").symlink_to("data/labeled/epic/P01/videos/P01_01.mp4")

    (folder / "data" / "webvid").mkdir()
    for place in (folder / "data.yaml", folder / "data" / "mix.yaml"):
        place.write_text(f"sources: [{{shards: {folder}/data/egoclip/shards}}, {{shards: {folder}/data/adopted}}]\n")

    made = World(folder)
    with small():
        for command in FIRST:
            if " adopt " in command:
                write_webvid(folder / "data" / "webvid", folder / "demo" / "ego4d")
            status = made.curate(command.removeprefix("curate "))
            assert status == 0, command
    (folder / "egoclip.csv").symlink_to("data/egoclip/egoclip.csv")
    write_table(folder / "data" / "narrations.csv", folder / "demo" / "ego4d")
    write_stretches(folder / "data", folder / "demo" / "ego4d")
    write_benchmarks(folder / "data")
    write_captions(folder / "data", folder / "demo" / "egoclip")
    (folder / "rephrased.pkl").symlink_to("data/rephrased.pkl")
    return made


@pytest.fixture(scope="module")
def world(filled):
    """The filled world, in which commands can be run."""
    with small():
        yield filled


def write_epic(root: Path) -> None:
    """Write annotations and videos of EPIC-KITCHENS-100 in small, as published."""
    rows = [row(*segment) for segment in SEGMENTS]
    info = [(video, 3, 8, "64x48") for video in ("P01_11", "P02_105", "P03_09")]
    for name in ("EPIC_100_train.csv", "retrieval_annotations/EPIC_100_retrieval_test.csv"):
        write_csv(root / name, HEADER, rows)
    write_csv(root / "EPIC_100_validation.csv", HEADER, [])
    write_csv(root / "EPIC_100_video_info.csv", "video_id,duration,fps,resolution", info)
    for seed, video in enumerate(("P01_11", "P02_105")):
        write_video(root / video[:3] / "videos" / f"{video}.MP4", seed)


def write_stretches(folder: Path, root: Path) -> None:
    """Write a table of stretches of two videos, and texts."""
    videos = sorted((root / "v2" / "full_scale").glob("*.mp4"))[:2]
    lines = [f"{video.stem},{start},{start + 1.5}\n" for video in videos for start in (0.5, 4.0)]
    (folder / "stretches.csv").write_text("video,start_sec,end_sec\n" + "".join(lines))
    (folder / "texts.txt").write_text("#C C lifts the cup\npushes a box\n")


def write_benchmarks(data: Path) -> None:
    """Write captions of two videos, and a folder of benchmarks as links to what is there."""
    shards = ShardIndex.open(data / "egoclip" / "shards")
    uids = sorted({shards.row(sample).video_uid for sample in range(len(shards))})[:2]
    videos = [data / "ego4d" / "v2" / "full_scale" / f"{uid}.mp4" for uid in uids]
    lines = [f"{uid},lifts the cup\n{uid},pushes a box {i}\n" for i, uid in enumerate(uids)]
    (data / "retrieval-shards").symlink_to("egoclip/shards")
    (data / "retrieval.csv").write_text("video_id,sentence\n" + "".join(lines))
    root = data / "benchmarks"
    (root / "zero-shot").mkdir(parents=True)
    (root / "retrieval-videos").mkdir()
    for video in videos:
        (root / "retrieval-videos" / video.name).symlink_to(video.resolve())
    for name, where in {
        "egomcq.json": "egoclip/egomcq.json",
        "egomcq-shards": "egoclip/egomcq-shards",
        "retrieval.csv": "retrieval.csv",
        "zero-shot/motions": "labels/train",
    }.items():
        (root / name).symlink_to((data / where).resolve())


def write_webvid(folder: Path, root: Path) -> None:
    """Write a tar of two videos with texts, as video2dataset does."""
    videos = sorted((root / "v2" / "full_scale").glob("*.mp4"))[:2]
    texts = (b"Someone cuts an onion.", b"A man opens the fridge.")
    samples = [
        (f"00000{i:04d}", {"mp4": video.read_bytes(), "txt": text})
        for i, (video, text) in enumerate(zip(videos, texts, strict=True))
    ]
    write_tar(folder / "00000.tar", samples)


def write_captions(folder: Path, egoclip: Path) -> None:
    """Write a table of segments, and pickles of LaViLa's rephraser and narrator, of the clips of an EgoClip."""
    clips = read_clips(egoclip).select(["video_uid", "clip_start", "clip_end", "clip_text"]).to_pylist()
    rows = [tuple(clip.values()) for clip in clips]
    for name, said in (("rephrased", "slowly"), ("narrator", "a model says")):
        content = [(*row[:3], [f"{row[3]} {said}", f"the person {said}"]) for row in rows]
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(content))
    root = egoclip.parent / "ego4d" / "v2" / "full_scale"
    with (folder / "segments.csv").open("w", newline="") as file:
        lines = [(root / f"{row[0]}.mp4", *row[1:], f"{row[3]} again") for row in rows]
        csv.writer(file).writerows([("video", "start_sec", "end_sec", "text", "text_2"), *lines])


def write_table(path: Path, root: Path) -> None:
    """Write a table of narrations of videos of one's own."""
    videos = sorted((root / "v2" / "full_scale").glob("*.mp4"))[:2]
    with path.open("w", newline="") as file:
        lines = [(video, 1.0 + 2 * i, "cuts an onion") for video in videos for i in range(4)]
        csv.writer(file).writerows([("video", "time", "text"), *lines])
