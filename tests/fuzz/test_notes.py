"""Notes of a job that was stopped, broken: the shard is cut again, or one line says what to do."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace

from egocurate.shards.write import write_shards as module
from egocurate.shards.write.build_shard import ShardNote
from egocurate.shards.write.write_shards import write_shards
from tests.fuzz.broken import broken_json_text
from tests.fuzz.harness import Target
from tests.fuzz.shard_folder import contents, write_folder


def test_notes(tmp_path, clean, monkeypatch):
    job = write_folder(tmp_path / "whole")
    whole = contents(job.out)
    stopped = stop(job, tmp_path / "stopped", monkeypatch)
    notes = {path.name: json.loads(path.read_bytes()) for path in (stopped / ".unfinished").glob("*.json")}
    assert "plan.json" in notes and len(notes) == 1 + len(list(stopped.glob("*.tar")))
    out = tmp_path / "a" / "shards"

    def broken(rng, notes):
        name = rng.choice(sorted(notes))
        return name, broken_json_text(rng, notes[name])

    def read(given):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(stopped, out)
        (out / ".unfinished" / given[0]).write_bytes(given[1])
        write_shards(replace(job, out=out))
        return contents(out)

    def right(given, now):
        # An early plan did not tell the sizes of videos, and then the manifest does not either. A note is
        # this machine's own: what it says of the bytes of a tar is told by the tar to `curate verify`.
        kept = [
            name for name in whole if name != "manifest.json" and (given[0] == "plan.json" or name.endswith(".tar"))
        ]
        return all(now.get(name) == whole[name] for name in kept)

    clean(Target("notes of shards", [notes], broken, read, right), 40, refuses=False)


def stop(job, folder, monkeypatch):
    """Return the folder of the job as it stands when all shards are written and nothing is published."""

    class Stop(Exception):  # noqa: N818
        pass

    def publish(folder):
        raise Stop

    monkeypatch.setattr(module, "publish", publish)
    with suppress(Stop):
        write_shards(replace(job, out=folder))
    monkeypatch.undo()
    return folder


def test_a_note_is_read_back(tmp_path):
    note = ShardNote(5, "a" * 64, ["k"], [[512, 1024]], [[3, 4]], [[1, 2]], [4], [8.0], [["x", "y", "z"]])
    note.write(tmp_path / "note.json")
    assert ShardNote.read(tmp_path / "note.json") == note
