"""Class labels from a clip table through shards into batches, whatever is done with them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from egocurate.errors import InputError
from egocurate.labels import with_labels
from egocurate.loaders.clip_stream import stream
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.storage.fingerprint import fingerprint
from egocurate.training.step.micro_batches import _rows
from tests.loaders.conftest import NUM_NOUNS, NUM_VERBS, write_video

NAMES = {"action": ["a", "b", "c"], "room": ["kitchen"]}
SHOWN = {"frames": 2, "size": 16, "workers": 0}


def job_of(clips, folder, out):
    videos = {"video0": VideoFile(folder / "video0.mp4")}
    return ShardJob(clips, videos, out, profile("small"), num_verbs=NUM_VERBS, num_nouns=NUM_NOUNS, clips_per_shard=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    write_video(folder / "video0.mp4", 96, 64, 0)
    return folder


@pytest.fixture(scope="module")
def clips(clip_table):
    rows = clip_table.slice(0, 12)
    numbers = np.arange(12)
    return with_labels(rows, {"action": numbers % 4 - 1, "room": np.zeros(12)}, NAMES)


@pytest.fixture(scope="module")
def labeled(folder, clips):
    write_shards(job_of(clips, folder, folder / "shards"))
    return folder / "shards"


def test_the_index_has_them_as_typed_columns_and_the_manifest_their_names(labeled, clips):
    table = pq.read_table(labeled / "index.parquet")
    assert table.schema.names[-2:] == ["label_action", "label_room"]
    assert [table.schema.field(name).type for name in table.schema.names[-2:]] == [pa.int32()] * 2
    assert json.loads((labeled / "manifest.json").read_text())["labels"] == NAMES
    index = ShardIndex.open(labeled)
    assert index.labels["action"].tolist() == [
        clips["label_action"][int(n)].as_py() for n in index._numbers["clip_idx"]
    ]
    assert json.loads(index.read_json(0))["label_action"] == index.row(0).labels["action"]
    assert verify(labeled) == []


def test_anchors_and_negatives_bring_theirs(labeled):
    index = ShardIndex.open(labeled)
    batch = next(iter(stream(labeled, batch_size=6, negatives=True, **SHOWN)))
    assert len(batch) == 12 and batch.labels["action"].dtype == torch.int64
    assert batch.labels["action"].tolist() == index.labels["action"][batch.sample.numpy()].tolist()
    assert "labels=int64[12] of action, room" in repr(batch)
    moved = batch.to("cpu")
    assert torch.equal(moved.labels["action"], batch.labels["action"])
    part = _rows(batch, slice(6, 9))
    assert part.labels["action"].tolist() == batch.labels["action"][6:9].tolist() and len(part) == 3


def test_workers_send_them(labeled):
    batches = [list(stream(labeled, batch_size=6, **SHOWN | {"workers": workers})) for workers in (0, 1)]
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.labels["action"], other.labels["action"])


def test_folders_that_name_other_classes_do_not_mix_and_one_without_has_none(labeled, folder, clips):
    plain = clips.drop_columns(["label_action", "label_room"]).replace_schema_metadata(None)
    write_shards(job_of(plain, folder, folder / "plain"))
    other = with_labels(plain, {"action": np.zeros(12)}, {"action": ["a", "z", "c"]})
    write_shards(job_of(other, folder, folder / "other"))
    mixed = stream([folder / "plain", labeled], batch_size=4, weights=[1, 1], **SHOWN, negatives=False)
    batch = next(iter(mixed))
    assert set(batch.labels) == {"action", "room"}
    assert (batch.labels["room"] == torch.where(batch.source == 1, 0, -1)).all()
    with pytest.raises(InputError, match=r"label action: .*; cut one of them with --label-names"):
        stream([labeled, folder / "other"], batch_size=4, **SHOWN)


def test_a_folder_takes_no_clips_with_other_labels(labeled, folder, clips):
    plain = clips.drop_columns(["label_action", "label_room"]).replace_schema_metadata(None)
    renamed = with_labels(plain, {k: clips[f"label_{k}"].to_numpy() for k in NAMES}, NAMES | {"room": ["garden"]})
    relabeled = with_labels(plain, {"action": np.zeros(12), "room": np.zeros(12)}, NAMES)
    for table, what in ((plain, "label names"), (renamed, "label names"), (relabeled, "labels")):
        with pytest.raises(InputError, match=f"shards of another plan; what differs: .*{what}"):
            write_shards(job_of(table, folder, labeled))


@pytest.mark.parametrize("label", [-2, 3])
def test_a_label_beyond_its_names_is_refused(labeled, folder, clips, tmp_path, label):
    numbers = np.array([label, *[0] * 11])
    plain = clips.drop_columns(["label_action", "label_room"]).replace_schema_metadata(None)
    beyond = with_labels(plain, {"action": numbers}, {"action": NAMES["action"]})
    with pytest.raises(InputError, match="a label_action that is not among its 3 classes"):
        write_shards(job_of(beyond, folder, tmp_path / "S"))
    forged = tmp_path / "forged"
    forged.mkdir()
    for path in labeled.iterdir():
        (forged / path.name).write_bytes(path.read_bytes())
    table = pq.read_table(forged / "index.parquet")
    place = table.schema.get_field_index("label_action")
    pq.write_table(
        table.set_column(place, table.schema.field(place), pa.array(numbers, pa.int32())), forged / "index.parquet"
    )
    manifest = json.loads((forged / "manifest.json").read_text())
    size, digest = fingerprint(forged / "index.parquet").split(":")
    manifest["index"] = {"bytes": int(size), "sha256": digest}
    (forged / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="column label_action has a number that is not among -1 to 2"):
        ShardIndex.open(forged)


@pytest.mark.parametrize("labels", [[], {"Verb!": []}, {"action": "abc"}, {"action": ["a"], "gone": ["x"]}])
def test_a_manifest_whose_labels_are_none_is_refused(labeled, tmp_path, labels):
    for path in labeled.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "manifest.json").read_text()) | {"labels": labels}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        ShardIndex.open(tmp_path)
