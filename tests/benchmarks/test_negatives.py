from benchmarks.negatives import write_index
from egocurate.shards.read.index import ShardIndex


def test_the_index_that_is_measured_is_one_that_opens(tmp_path):
    write_index(tmp_path, 1000)
    index = ShardIndex.open(tmp_path)
    assert len(index) == 1000
    assert index.negatives(500).tolist() == [501, 499, 502, 498, 503, 497, 504, 496]
    assert index.row(500).clip_text == "opens the door number 500"
