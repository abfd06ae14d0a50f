"""`curate verify --repair`: what is broken is cut again, what is whole is not touched."""

import json

import pytest


@pytest.mark.slow
def test_a_flipped_byte_is_named_and_mended(curate, tiny_root, tmp_path):
    out = tmp_path / "O"
    assert curate("egoclip", "--ego4d-root", tiny_root, "--out", out, "--shard-clips", 8).returncode == 0
    shards = out / "shards"
    whole = {path.name: path.read_bytes() for path in shards.iterdir()}
    broken, *others = sorted(shards.glob("*.tar"))
    inodes = {path: path.stat().st_ino for path in others}
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken.write_bytes(data)

    asked = curate("verify", out, "--repair", "--json")
    assert asked.returncode == 2
    assert "--ego4d-root" in asked.stderr
    assert broken.read_bytes() == bytes(data)

    mended = curate("verify", out, "--repair", "--ego4d-root", tiny_root, "--json")
    assert mended.returncode == 0, mended.stderr
    assert broken.name in mended.stderr
    assert json.loads(mended.stdout)["cut_again"] == [broken.name]
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == whole
    assert {path: path.stat().st_ino for path in others} == inodes
