"""Adopt WebDataset tars of others: an index and a manifest over them, and not a byte of theirs rewritten."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from egocurate.errors import InputError
from egocurate.progress import Report, silent
from egocurate.shards.adopt.adopted import ADOPTED
from egocurate.shards.adopt.find_tars import below, find_tars, root_of
from egocurate.shards.adopt.publish import Published, publish
from egocurate.shards.adopt.read_tar import ForeignTar, TarNote, look_at, read_tar
from egocurate.shards.adopt.samples import Wanted, wanted
from egocurate.shards.manifest import read_manifest
from egocurate.shards.shard_format import MANIFEST_FILE
from egocurate.shards.write.plan_digests import text_digest
from egocurate.shards.write.shard_folder import UNFINISHED, locked_folder
from egocurate.storage.paths import AnyPath, as_path, is_remote, make_folder, remove_folder
from egocurate.workers.choose import open_workers
from egocurate.workers.tasks import WorkerDied, run_each

STAGE = "reading tars"
_BYTES_PER_CORE_SEC = 150e6  # digests, checksums and the packets of videos
_AT_ONCE_SEC = 1.0  # work that takes less is done before workers have started
_LOOKED_AT = 3  # tars, for what a set is made of

Normalize = Callable[[str], str]
"""Gives the form of a text in which models read it."""


@dataclass(frozen=True)
class AdoptJob:
    """Tars, or folders of them, to index in the folder `out`.

    `video` is the suffix of the member that is the clip, `text` that of the one with the text, in json with a key
    (`json:caption`); "" is what the first sample has.
    """

    tars: Sequence[AnyPath]
    out: AnyPath
    normalize: Normalize
    video: str = ""
    text: str = ""


@dataclass(frozen=True)
class Adopted:
    """What is in the folder now, what this run has added, and what it took."""

    tars: int
    samples: int
    bytes: int
    new_tars: int
    new_samples: int
    left_out: dict[str, int]
    uneven: int
    video: str
    text: str
    seconds: float


def adopt(job: AdoptJob, report: Report = silent) -> Adopted:
    """Index tars; those that are in the folder already are not read again, and further ones follow them.

    Each tar is read once from end to end. A run that is killed goes on from the tars that it has read. Raises
    InputError for tars that are none or have changed since they were adopted, for a choice of members that fits no
    sample, and for a folder that holds others.
    """
    began = time.monotonic()
    found, out = find_tars(job.tars), as_path(job.out)
    if is_remote(out) and not is_remote(found[0][0]):
        raise InputError(
            f"--out {out}: a folder in a store can only refer to tars in a store; name one of this machine"
        )
    with locked_folder(out):
        manifest = _manifest_at(out)
        root = manifest[ADOPTED]["root"] if manifest else root_of(found)
        tars = below(root, found)
        new = _new_tars(tars, manifest, out)
        take = _taken(job, manifest, tars)
        notes = _read_all(new, take, out, report)
        if manifest is None:
            _refuse_none(job, notes, take)
        published = publish(out, manifest, root, take, list(zip(new, notes, strict=True)), job.normalize)
        remove_folder(out / UNFINISHED)
    return _summary(published, new, notes, take, time.monotonic() - began)


def _manifest_at(out: AnyPath) -> dict[str, Any] | None:
    """Return the manifest of tars adopted before; raises InputError for a folder of shards that were cut there."""
    if not (out / MANIFEST_FILE).exists():
        return None
    manifest = read_manifest(out)
    if ADOPTED not in manifest:
        raise InputError(f"{out} holds shards that were cut there: name another --out for tars of others")
    return manifest


def _new_tars(tars: list[ForeignTar], manifest: dict[str, Any] | None, out: AnyPath) -> list[ForeignTar]:
    known = {entry["file"]: entry["bytes"] for entry in manifest["shards"]} if manifest else {}
    for tar in tars:
        if known.get(tar.name, tar.bytes) != tar.bytes:
            raise InputError(
                f"{tar.path} has {tar.bytes:,} bytes, {known[tar.name]:,} when it was adopted: bring it back, or adopt "
                f"the tars as they are into another --out than {out}"
            )
    return [tar for tar in tars if tar.name not in known]


def _taken(job: AdoptJob, manifest: dict[str, Any] | None, tars: list[ForeignTar]) -> Wanted:
    """Return what is taken of each sample: what was taken before, else what is asked for or found."""
    if manifest is None:
        first = None if job.video and job.text else next(filter(None, map(look_at, tars[:_LOOKED_AT])), None)
        return wanted(job.video, job.text, first)
    before = manifest[ADOPTED]
    for name, asked in (("video", job.video), ("text", job.text)):
        if asked and asked.lower() != before[name].lower():
            raise InputError(
                f"--{name} {asked}: the tars in {job.out} were adopted with {before[name] or 'no text'}; name another "
                "--out for another choice"
            )
    text, _, key = before["text"].partition(":")
    return Wanted(before["video"], text, key)


def _read_all(tars: list[ForeignTar], take: Wanted, out: AnyPath, report: Report) -> list[TarNote]:
    """Return what the tars hold, each read by a worker unless an earlier run has left its note."""
    folder = out / UNFINISHED
    places = {tar.name: folder / f"{_digest(tar, take)}.parquet" for tar in tars}
    notes = {name: note for name, place in places.items() if (note := TarNote.read(place)) is not None}
    waiting = {tar.name: (tar, take, places[tar.name]) for tar in tars if tar.name not in notes}
    if waiting:
        make_folder(folder)
    report(STAGE, len(notes), len(tars))
    for name in _read_each(waiting, report):
        note = TarNote.read(places[name])
        if note is None:
            raise InputError(f"{places[name]} cannot be read: run the same command again")
        notes[name] = note
        report(STAGE, len(notes), len(tars))
    return [notes[tar.name] for tar in tars]


def _read_each(waiting: dict[str, tuple[ForeignTar, Wanted, AnyPath]], report: Report) -> Iterator[str]:
    """Have tars read, and yield the name of each that is; raises what reading raises."""
    core_sec = sum(tar.bytes for tar, _, _ in waiting.values()) / _BYTES_PER_CORE_SEC
    if core_sec < _AT_ONCE_SEC:
        for name, task in waiting.items():
            read_tar(*task)
            yield name
        return
    with open_workers(len(waiting), core_sec, report) as workers:
        for ended in run_each(workers, read_tar, waiting):
            try:
                ended.result()
            except WorkerDied as error:
                raise InputError(f"{ended.key}: what reads it dies each time ({error}); leave this tar out") from error
            yield ended.key


def _refuse_none(job: AdoptJob, notes: Sequence[TarNote], take: Wanted) -> None:
    """Raise InputError, and leave nothing, where not one sample is as asked: more tars would be bound to the choice."""
    left_out = [one for note in notes for one in note.left_out]
    if left_out and not any(len(note.rows) for note in notes):
        remove_folder(as_path(job.out) / UNFINISHED)
        key, reason, detail = left_out[0]
        asked = f"video {take.video}" + (f" and text {take.text_as_given}" if take.text else "")
        raise InputError(
            f"none of {len(left_out):,} samples has {asked} that can be read (the first, {key}: {reason}, {detail}); "
            "name others by --video and --text"
        )


def _digest(tar: ForeignTar, take: Wanted) -> str:
    return text_digest([str(tar.path), tar.bytes, take.video, take.text_as_given])[:32]


def _summary(
    published: Published, new: list[ForeignTar], notes: list[TarNote], take: Wanted, seconds: float
) -> Adopted:
    return Adopted(
        tars=len(published.manifest["shards"]),
        samples=published.manifest["samples"],
        bytes=published.manifest["bytes"],
        new_tars=len(new),
        new_samples=sum(len(note.rows) for note in notes),
        left_out=dict(Counter(published.reasons).most_common()),
        uneven=sum(note.counts.get("uneven_frame_rate", 0) for note in notes),
        video=take.video,
        text=take.text_as_given,
        seconds=seconds,
    )
