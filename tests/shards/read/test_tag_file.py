"""Classes that stand beside an index: they are those that were written, of this index, or they are refused."""

import json

import numpy as np
import pyarrow as pa
import pytest

from egocurate.errors import InputError
from egocurate.shards.check.verify import verify
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.tag_file import note_file, tags_file
from egocurate.shards.write.write_shards import write_shards
from egocurate.shards.write.write_tags import write_tags


@pytest.fixture(scope="module")
def folder(make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("tagged") / "shards")
    write_shards(job)
    index = ShardIndex.open(job.out)
    tags = pa.table({"tag_verb": [[i % 2] for i in range(len(index))], "tag_noun": [[]] * len(index)})
    write_tags(
        index,
        "new",
        tags.cast(pa.schema([(name, pa.list_(pa.int32())) for name in tags.column_names])),
        (2, 9),
        "l",
        "t",
    )
    return job.out


def test_tags_take_the_place_of_the_index_s_own_and_all_else_stays(folder):
    own, new = ShardIndex.open(folder), ShardIndex.open(folder, tags="new")
    assert [new.row(i).tag_verb.tolist() for i in range(len(new))] == [[i % 2] for i in range(len(new))]
    assert (new.num_verbs, new.num_nouns, new.lexicon, new.tags) == (2, 9, "l", "new")
    assert new.row(3).clip_text == own.row(3).clip_text and new.spans(3) == own.spans(3)
    assert np.array_equal(new.negatives(3), own.negatives(3)) and new.fingerprint == own.fingerprint
    # The order is the same, what the batches hold is not: a run that is resumed must notice.
    assert new.index_fingerprint != own.index_fingerprint
    assert ShardIndex.open(folder, tags="own").index_fingerprint == own.index_fingerprint
    assert verify(folder) == []


def test_a_pickled_index_has_the_same_tags(folder):
    function, arguments = ShardIndex.open(folder, tags="new").__reduce__()
    assert function(*arguments).num_nouns == 9


def test_a_name_that_is_not_there_is_told_with_those_that_are(folder):
    with pytest.raises(InputError, match=r"no tags 'old' \(there are new\)"):
        ShardIndex.open(folder, tags="old")
    with pytest.raises(InputError, match="a name has letters"):
        ShardIndex.open(folder, tags="../new")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index": "1:" + "0" * 64}, "clips that were there before"),
        ({"samples": 3}, "clips that were there before"),
        ({"sha256": "0" * 64}, "not what was written"),
        ({"bytes": 10}, "at most 10 can be right"),
        ({"num_verbs": 1}, "not among 1"),
        ({"num_verbs": -1}, "a count is none"),
        ({"sha256": 5}, "sha256 is 5"),
        ({"format": "x"}, "another format"),
        ({"more": 1}, "no note of tags"),
    ],
)
def test_forged_notes_are_one_line_and_verify_names_them(folder, change, words):
    path = note_file(folder, "new")
    text = path.read_text()
    path.write_text(json.dumps(json.loads(text) | change))
    try:
        with pytest.raises(InputError, match=words):
            ShardIndex.open(folder, tags="new")
        assert [problem.shard for problem in verify(folder, decode=0)] == ["tags-new.json"]
    finally:
        path.write_text(text)


def test_a_file_of_tags_that_is_gone_is_told(folder):
    data = tags_file(folder, "new").read_bytes()
    tags_file(folder, "new").unlink()
    try:
        with pytest.raises(InputError, match=r"cannot be read .* run `curate tag"):
            ShardIndex.open(folder, tags="new")
    finally:
        tags_file(folder, "new").write_bytes(data)
