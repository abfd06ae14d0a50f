"""Tars that no good program writes: what is no plain file is told apart, and nothing costs more memory than it is."""

import hashlib
import io
import tarfile
import tracemalloc

import pytest

from egocurate.shards.adopt.read_tar import ForeignTar, TarNote, adopted_key, read_tar
from egocurate.shards.adopt.samples import Wanted, split_name
from egocurate.shards.adopt.tar_members import BLOCK, TarEnds, TarStream


def members(data: bytes, most: int | None = 1000):
    return list(TarStream(io.BytesIO(data), len(data)).members(lambda name: most))


def member(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, size: int | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % BLOCK)


END = bytes(2 * BLOCK)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_the_standard_library_finds(tar_of, tmp_path, form):
    long = "d" * 90 + "/" + "n" * 90 + ("ü" if form == tarfile.PAX_FORMAT else "")
    path = tar_of(tmp_path / "a.tar", [("a", {"txt": b"one"}), (long, {"json": b"two" * 500}), ("b", {"x": b""})], form)
    data = path.read_bytes()
    stream = TarStream(io.BytesIO(data), len(data))
    with tarfile.open(path) as tar:
        theirs = [(info.name, info.offset_data, info.size, tar.extractfile(info).read()) for info in tar]
    ours = [(one.name, one.offset, one.size, one.content) for one in stream.members(lambda name: 10_000)]
    assert ours == theirs and stream.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.CHRTYPE, "a device"),
        (b"Z", "no plain file"),
    ],
)
def test_what_is_no_plain_file_is_told_and_the_next_member_is_found(kind, fault):
    content = b"" if kind != b"Z" else b"x"
    found = members(member("a.mp4", content, kind, size=1) + member("b.mp4") + END)
    assert [(one.name, one.fault) for one in found] == [("a.mp4", fault), ("b.mp4", "")]
    assert found[0].content is None


@pytest.mark.parametrize("name", ["/etc/passwd.mp4", "../a.mp4", "a/../../b.mp4", "a\\b.mp4", "a\x1b[31m.mp4"])
def test_names_that_lead_out_or_cannot_be_printed_are_none(name):
    (found,) = members(member(name) + END)
    assert found.fault and found.content is None


@pytest.mark.parametrize(
    "data",
    [
        member("a.mp4", size=1 << 60),
        member("a.mp4", b"x" * 600)[: BLOCK + 100],
        b"no tar at all" * 100,
        member("a", b"", b"L", size=1 << 40),
        member("a", b"9" * 15 + b" path=x\n", tarfile.XHDTYPE) + member("b"),
        member("a", b"30 size=-5\n", tarfile.XHDTYPE) + member("b"),
        tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT)[:124] + b"\xff" * 12 + bytes(376),
        b"\0" * 100,
        member("a.mp4"),
        member("a.mp4") + END[:BLOCK],
        member("a.mp4") + END + member("b.mp4") + END,
    ],
)
def test_a_tar_that_ends_early_or_lies_of_its_sizes_ends_in_a_reason(data):
    tracemalloc.start()
    with pytest.raises(TarEnds):
        members(data)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_a_member_that_is_too_large_is_passed_over():
    found = members(member("a.mp4", b"x" * 2000) + member("b.mp4") + END)
    assert [one.content for one in found] == [None, b"x"] and "at most 1,000" in found[0].fault


def test_samples_of_a_hostile_tar_are_left_out_and_the_good_ones_taken(films, tmp_path):
    good = films["jpg"]
    data = (
        member("a.jpg", good)
        + member("b.jpg", b"", tarfile.SYMTYPE)
        + member("../c.jpg", good)
        + member("._d.jpg", good)
        + member("e.jpg", good)
        + member("e.jpg", good)
        + member("f.jpg", good)
        + member("g.jpg", good, size=1 << 50)
    )
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    assert read_tar(ForeignTar(path, "a.tar", len(data)), Wanted("jpg"), tmp_path / "note") == 2
    note = TarNote.read(tmp_path / "note")
    assert note.rows["key"].to_pylist() == ["a-a", "a-f"]
    assert {key: reason for key, reason, _ in note.left_out} == {
        "a.tar/b": "not a plain member",
        "a.tar/../c": "not a plain member",
        "a.tar/._d.jpg": "not a plain member",
        "a.tar/e": "not a plain member",
        "a.tar": "tar ends",
    }


def test_names_divide_at_the_first_dot_of_the_file_as_webdataset_does():
    assert split_name("a/b.c/d.e.JPG") == ("a/b.c/d", "e.jpg")
    assert split_name("./a.mp4") == ("a", "mp4")
    assert split_name(".hidden") == split_name("plain") == ("", "")


def test_keys_hold_plain_letters_and_differ_where_names_do():
    names = [
        ("a.tar", "b-c"),
        ("a-b.tar", "c"),
        ("x/a.tar", "b"),
        ("a.tar", "b c"),
        ("a.tar", "b_c"),
        ("a.tar", "b" * 99),
    ]
    keys = [adopted_key(*name) for name in names]
    assert len(set(keys)) == len(keys) and all(len(key) <= 90 and "/" not in key and " " not in key for key in keys)
