"""What a rank has of its machine, by what the system tells of it."""

import os
from unittest import mock

from egocurate.loaders.workers.host import free_bytes, this_rank, whole_bytes


def test_a_container_has_the_memory_of_its_limit(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:    64 kB\n")
    assert free_bytes(meminfo, tmp_path) == 65536
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, free in (("max", 65536), ("5000", 4000), ("900", 0)):
        (tmp_path / "memory.max").write_text(limit + "\n")
        assert free_bytes(meminfo, tmp_path) == free
    assert free_bytes(tmp_path / "none", tmp_path / "none") > 2**60


def test_a_container_has_no_more_than_its_limit(tmp_path):
    whole = whole_bytes(tmp_path)
    assert whole == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit, expected in (("max", whole), ("5000", 5000), (str(2**61), whole)):
        (tmp_path / "memory.max").write_text(limit + "\n")
        assert whole_bytes(tmp_path) == expected


def test_ranks_of_a_machine_divide_it():
    whole = this_rank()
    with mock.patch.dict(os.environ, {"LOCAL_WORLD_SIZE": "2"}):
        half = this_rank()
    assert half.cores == max(1, whole.cores // 2) and half.memory == whole.memory // 2
