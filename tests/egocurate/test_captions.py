import pyarrow as pa
import pytest

from egocurate.captions import CAPTION_TYPES, caption_fault, caption_fields

ROW = {
    "clip_text": "a",
    "captions": ["a", "b"],
    "caption_texts": ["a", "b"],
    "caption_kinds": [0, 3],
    "caption_weights": [1.0, 0.5],
    "caption_verbs": [[1], []],
    "caption_nouns": [[], [0, 2]],
}
SCHEMA = pa.schema({"clip_text": pa.string(), **CAPTION_TYPES})


def test_a_table_has_all_columns_of_captions_or_none():
    assert [field.name for field in caption_fields(pa.schema({"captions": pa.list_(pa.string())}))] == [*CAPTION_TYPES]
    assert caption_fields(pa.schema({"clip_text": pa.string()})) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, None),
        ({"captions": []}, "captions is empty"),
        ({"captions": ["b", "a"]}, "another text than clip_text"),
        ({"caption_texts": ["a"]}, "caption_texts has another number"),
        ({"caption_nouns": [[]]}, "caption_nouns has another number"),
        ({"caption_kinds": [0, 6]}, "caption_kinds has a number"),
        ({"caption_kinds": [4, 0]}, "begins with a text that is wrong"),
        ({"caption_kinds": [-1, 0]}, "caption_kinds has a number"),
        ({"caption_weights": [1.0, 0.0]}, "caption_weights has a number"),
        ({"caption_weights": [1.0, float("inf")]}, "caption_weights has a number"),
        ({"caption_verbs": [[1], [-1]]}, "caption_verbs has a number below 0"),
    ],
)
def test_captions_that_are_none_are_found(change, what):
    table = pa.Table.from_pylist([ROW, ROW | change, ROW], schema=SCHEMA)
    fault = caption_fault(table)
    if what is None:
        assert fault is None
    else:
        assert fault[0] == 1 and what in fault[1]
