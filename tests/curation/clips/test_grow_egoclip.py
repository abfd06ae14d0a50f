import pyarrow as pa

from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.curation.clips.grow_egoclip import add_clips


def table(rows: list[tuple[str, int]], hoods: list[int], negatives: list[list[int]]) -> pa.Table:
    """Build a table of clips (video, narration_ind), numbered by row."""
    columns = {
        "clip_idx": list(range(len(rows))),
        "video_uid": [uid for uid, _ in rows],
        "video_dur": [60.0] * len(rows),
        "narration_source": ["p"] * len(rows),
        "narration_ind": [ind for _, ind in rows],
        "key": [clip_key(uid, "p", ind) for uid, ind in rows],
        "neighbourhood": hoods,
        "negatives": negatives,
    }
    for field in CLIP_SCHEMA:
        empty = "" if pa.types.is_string(field.type) else [] if pa.types.is_list(field.type) else 0.0
        columns.setdefault(field.name, [empty] * len(rows))
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in CLIP_SCHEMA})


def test_new_clips_follow_and_their_numbers_and_negatives_are_those_of_the_whole():
    old = table([("b", 0), ("b", 1)], [0, 0], [[1], [0]])
    rows = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)]
    new = table(rows, [0, 1, 2, 2, 2, 3], [[1], [0], [3, 4], [2], [3, 2], []]).replace_schema_metadata({"made": "now"})
    whole = add_clips(old, new)
    assert whole.slice(0, 2).equals(old) and whole.schema.metadata == {b"made": b"now"}
    assert whole["key"].to_pylist()[2:] == ["a-p-00000", "a-p-00001", "b-p-00002", "c-p-00000"]
    assert whole["clip_idx"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert whole["neighbourhood"].to_pylist() == [0, 0, 1, 2, 3, 4]
    # Of the new clip of b they lead to its old ones; what the old ones say stays as it is.
    assert whole["negatives"].to_pylist() == [[1], [0], [3], [2], [1, 0], []]


def test_a_table_without_new_clips_is_the_old_one():
    old = table([("b", 0), ("b", 1)], [0, 0], [[1], [0]])
    assert add_clips(old, table([("b", 1)], [0], [[]])) is old
