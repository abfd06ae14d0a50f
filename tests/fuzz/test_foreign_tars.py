"""Tars of others with any bytes changed: sound samples are taken, the others named, and none is lost in silence."""

import io
import tarfile
import zlib

import numpy as np
from PIL import Image

from egocurate.shards.adopt.read_tar import ForeignTar, TarNote, read_tar
from egocurate.shards.adopt.samples import Wanted
from tests.fuzz.broken import broken_bytes
from tests.fuzz.harness import Target


def whole(form: int) -> bytes:
    """A tar of four pictures with texts, one of a long name."""
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture, "JPEG")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for name in ("a", "b", "n" * 120, "d"):
            for suffix, content in (("jpg", picture.getvalue()), ("json", b'{"caption": "takes the cup"}')):
                info = tarfile.TarInfo(f"{name}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def test_foreign_tars(tmp_path, clean):
    tars = [whole(form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    path, note = tmp_path / "a.tar", tmp_path / "note"

    def broken(rng, data):
        return broken_bytes(rng, data, (bytes(512), b"ustar\x0000", b"\xff" * 12, b"99 path=../x\n", b"5"))

    def read(data):
        path.write_bytes(data)
        read_tar(ForeignTar(path, "a.tar", len(data)), Wanted("jpg", "json", "caption"), note)
        return TarNote.read(note)

    def right(data, found):
        rows = found.rows.to_pylist()
        stand = all(
            zlib.crc32(data[at : at + size]) == crc32
            for row in rows
            for at, size, crc32 in zip(row["offsets"], row["sizes"], row["crc32"], strict=True)
        )
        # Nothing is lost in silence.
        named = len(rows) == 4 or bool(found.left_out)
        return stand and named and len(rows) <= 4 and all(row["frame_count"] == 1 for row in rows)

    clean(Target("tars of others", tars, broken, read, right), 400, refuses=False)
