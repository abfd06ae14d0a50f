import io
import shutil
import subprocess
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.shards.write.tar import TarShard, member_header

NAMES = st.text("abcXYZ019-_", min_size=1, max_size=95).map(lambda name: name + ".json")


@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6))
def test_tarfile_reads_what_was_written_and_offsets_point_at_it(members):
    file = io.BytesIO()
    tar = TarShard(file)
    offsets = {name: tar.add(name, content) for name, content in members.items()}
    tar.close()
    data = file.getvalue()
    assert len(data) == tar.bytes
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        infos = archive.getmembers()
        assert {info.name: archive.extractfile(info).read() for info in infos} == members
    assert [(info.mtime, info.uid, info.mode, info.uname) for info in infos] == [(0, 0, 0o644, "")] * len(members)
    assert all(data[offset : offset + len(members[name])] == members[name] for name, offset in offsets.items())


def test_the_tar_command_lists_it(tmp_path):
    if shutil.which("tar") is None:
        pytest.skip("no tar command here")
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        tar = TarShard(file)
        tar.add("one.json", b"{}")
        tar.add("one.mp4", b"x" * 513)
        tar.close()
    listed = subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["one.json", "one.mp4"]
    assert listed.stderr == ""


@pytest.mark.parametrize("name", ["a" * 101, "café.json"])
def test_names_that_do_not_fit_are_refused(name):
    with pytest.raises(ValueError, match="tar member name"):
        member_header(name, 1)
