"""Bytes of a shard changed: verify names what is wrong, and reading gives up the changed clips alone."""

import shutil

import numpy as np
import pytest

from egocurate.shards.check.verify import verify
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample, check_frames, read_frames
from tests.fuzz.broken import broken_bytes
from tests.fuzz.harness import Target
from tests.fuzz.shard_folder import write_folder

FRAMES = np.array([0, 1, 3])


@pytest.mark.parametrize("name", ["train", "fast"])
def test_tars(tmp_path, clean, name):
    job = write_folder(tmp_path / "whole", name)
    folder = shutil.copytree(job.out, tmp_path / "shards")
    index = ShardIndex.open(folder)
    tars = [shard.path for shard in index.reader.shards]
    whole = [tar.read_bytes() for tar in tars]
    frames = [read_frames(index, n, FRAMES) for n in range(len(index))]
    assert not any(isinstance(one, BadSample) for one in frames)

    def broken(rng, whole):
        shard = rng.randrange(len(whole))
        return shard, broken_bytes(rng, whole[shard], (bytes(512), b"ustar\x0000"))

    def read(given):
        for shard, data in enumerate(whole):
            tars[shard].write_bytes(given[1] if shard == given[0] else data)
        opened = ShardIndex.open(folder)  # the files are other ones
        members = range(len(opened.spans(0)))
        found = [(read_frames(opened, n, FRAMES), check_frames(opened, n)) for n in range(len(opened))]
        return found, [is_whole(given, n, members) for n in range(len(opened))], verify(folder)

    def is_whole(given, n, members):
        """Whether the members that are read are at their places in what was given."""
        if index.shard[n] != given[0]:
            return True
        read = members[1:] if index.members == "mp4" else [1 + frame for frame in FRAMES]
        spans = [index.spans(n)[member] for member in read]
        return all(given[1][at : at + size] == whole[given[0]][at : at + size] for at, size in spans)

    def right(given, result):
        found, are_whole, problems = result
        for n, ((one, checked), fine) in enumerate(zip(found, are_whole, strict=True)):
            if fine != (not isinstance(one, BadSample)) or (fine and not np.array_equal(one, frames[n])):
                return False
            if not fine and checked is None:
                return False
        is_same = given[1] == whole[given[0]]
        named = {problem.shard for problem in problems}
        return named == (set() if is_same else {tars[given[0]].name}) and not any("\n" in str(one) for one in problems)

    clean(Target(f"shards, {name}", [whole], broken, read, right), 60, refuses=False)
