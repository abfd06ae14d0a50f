import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.curation.clips.read_clips import read_clips
from egocurate.errors import InputError
from egocurate.labels import LABELS_KEY, clip_schema, read_clip_table, table_label_names, with_labels
from tests.loaders.conftest import clip_rows


@pytest.fixture
def clips():
    rows = pa.Table.from_pylist(clip_rows()[:4], schema=clip_schema(()))
    rows = rows.set_column(
        rows.schema.get_field_index("negatives"), "negatives", pa.array([[]] * 4, pa.list_(pa.int64()))
    )
    return with_labels(rows, {"verb": np.array([0, 1, -1, 1])}, {"verb": ["put", "take"]})


def test_labels_and_their_names_survive_a_parquet_file(clips, tmp_path):
    pq.write_table(clips, tmp_path / "clips.parquet")
    for read in (read_clip_table(tmp_path / "clips.parquet"), read_clips(tmp_path / "clips.parquet")):
        assert read["label_verb"].to_pylist() == [0, 1, -1, 1] and read.schema.field("label_verb").type == pa.int32()
        assert table_label_names(read.schema) == {"verb": ["put", "take"]}


def test_a_table_without_labels_is_read_as_ever(clips, tmp_path):
    pq.write_table(clips.drop_columns("label_verb").replace_schema_metadata(None), tmp_path / "clips.parquet")
    assert table_label_names(read_clip_table(tmp_path / "clips.parquet").schema) == {}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"verb": ["put"]}, "row 2: label_verb has 1, and there are 1 names"),
        ({"noun": ["put"]}, "columns label_noun are missing"),
        ({"Verb!": []}, "not a readable clip table .a kind of label is called 'Verb!'"),
        ({"verb": "put"}, "the names of label verb are no list of texts"),
        ([], "labels are no object"),
    ],
)
def test_labels_that_do_not_fit_their_names_are_refused(clips, tmp_path, names, message):
    metadata = {LABELS_KEY: json.dumps(names)}
    pq.write_table(clips.replace_schema_metadata(metadata), tmp_path / "clips.parquet")
    with pytest.raises(InputError, match=message):
        read_clip_table(tmp_path / "clips.parquet")
