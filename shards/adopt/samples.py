"""Samples of a WebDataset tar: members that stand together under one name, up to its first dot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from egocurate.errors import InputError
from egocurate.shards.adopt.tar_members import Member, TarEnds, TarStream

VIDEO_SUFFIXES = {"mp4": "mp4", "m4v": "mp4", "mov": "mp4", "webm": "webm", "mkv": "webm"} | {
    "jpg": "jpg",
    "jpeg": "jpg",
    "webp": "webp",
}
"""What the last part of a member's name says it is stored as."""

VIDEO_BYTES, TEXT_BYTES, TEXT_LETTERS = 1 << 30, 1 << 24, 10_000
"""most bytes of a video and of the member that has its text, most letters of the text"""

_NAME = re.compile(r"((?:.*/|)[^./][^./]*)\.([^/]+)")
_SPEC = re.compile(r"([a-z0-9_.-]+)(?::(.+))?", re.IGNORECASE)
_LOOKED_AT = 1000  # members, for what a set is made of


@dataclass(frozen=True)
class Wanted:
    """The suffixes of the members that are taken: of the video, of what has the text ("": none), and the key in it."""

    video: str
    text: str = ""
    text_key: str = ""

    @property
    def kind(self) -> str:
        """What the video is stored as; raises InputError for a suffix that says nothing known."""
        last = self.video.rpartition(".")[2]
        if last not in VIDEO_SUFFIXES:
            raise InputError(f"--video {self.video}: its ending is none of {', '.join(VIDEO_SUFFIXES)}")
        return VIDEO_SUFFIXES[last]

    @property
    def text_as_given(self) -> str:
        """The text's member and key as the command line has them."""
        return f"{self.text}:{self.text_key}" if self.text_key else self.text

    def limit(self, name: str) -> int | None:
        """Return how many bytes of a member are read at most, None for one that is not wanted."""
        suffix = split_name(name)[1]
        if suffix == self.video:
            return VIDEO_BYTES
        return TEXT_BYTES if self.text and suffix == self.text else None

    def caption(self, content: bytes) -> str:
        """Return the text of a sample; raises ValueError that says why there is none."""
        try:
            whole = content.decode("utf-8-sig")
            value = _value(json.loads(whole), self.text_key) if self.text_key else whole
        except (ValueError, RecursionError) as error:
            raise ValueError("it cannot be read as UTF-8" if isinstance(error, UnicodeError) else "no JSON") from error
        if isinstance(value, list):  # of captions that say the same in other words
            value = value[0] if value else None
        if not isinstance(value, str):
            raise ValueError(f"it has no text {self.text_key}" if self.text_key else "it is no text")
        text = " ".join(value.replace("\0", " ").encode("utf-8", "ignore").decode().split())
        if not text:
            raise ValueError("its text is empty")
        if len(text) > TEXT_LETTERS:
            raise ValueError(f"its text has {len(text):,} letters, at most {TEXT_LETTERS:,} are taken")
        return text


def wanted(video: str, text: str, first: RawSample | None = None) -> Wanted:
    """Return what to take: what is asked for, and where that is "", what the first sample of the set has.

    Raises InputError for a text that is no SUFFIX or SUFFIX:KEY, or where no video can be told.
    """
    spec = _SPEC.fullmatch(text)
    if text and spec is None:
        raise InputError(f"--text {text}: write the ending of a member, txt, and of json its key, json:caption")
    have = first.members if first else {}
    video = video.lower() or next((suffix for suffix in have if suffix in VIDEO_SUFFIXES), "")
    if not video:
        ends = ", ".join(sorted(have)) or "none"
        raise InputError(f"no sample has a video or a picture (the first has {ends}): say with --video which it is")
    if spec:
        chosen = Wanted(video, spec[1].lower(), spec[2] or "")
        if chosen.text.endswith("json") and not chosen.text_key:
            raise InputError(f"--text {text}: say which key of it, {text}:caption")
    elif "txt" in have:
        chosen = Wanted(video, "txt")
    else:
        chosen = Wanted(video, "json", "caption") if _has_caption(have.get("json")) else Wanted(video)
    chosen.kind  # noqa: B018 (raises)
    return chosen


@dataclass
class RawSample:
    """A sample as it stands in a tar: members by their suffix, in small letters; `faults` are those of its members."""

    name: str
    members: dict[str, Member] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def split_name(name: str) -> tuple[str, str]:
    """Return a member's sample and its suffix, ("", "") for one of no sample: hidden, or without a suffix."""
    found = _NAME.fullmatch(name.removeprefix("./"))
    return (found[1], found[2].lower()) if found else ("", "")


def raw_samples(tar: TarStream, take: Wanted) -> Iterator[RawSample]:
    """Yield the samples of a tar in order, members of no sample as one without members; raises TarEnds."""
    sample = RawSample("")
    try:
        for member in tar.members(take.limit):
            name, suffix = split_name(member.name)
            if not name:
                yield RawSample(member.name, faults={"": member.fault or "a name of no sample"})
                continue
            if name != sample.name:
                if sample.name:
                    yield sample
                sample = RawSample(name)
            if suffix in sample.members or suffix in sample.faults:
                sample.faults[suffix] = f"two members {suffix}"
            elif member.fault:
                sample.faults[suffix] = member.fault
            else:
                sample.members[suffix] = member
    except TarEnds:
        if sample.name and take.video in sample.members and (not take.text or take.text in sample.members):
            yield sample
        raise
    if sample.name:
        yield sample


def first_sample(tar: TarStream) -> RawSample | None:
    """Return the first sample that has a video or a picture, with its json, of a tar; None among many without."""
    sample = RawSample("")
    try:
        for count, member in enumerate(tar.members(lambda name: TEXT_BYTES if name.endswith(".json") else None)):
            name, suffix = split_name(member.name)
            if name != sample.name:
                if VIDEO_SUFFIXES.keys() & sample.members.keys():
                    break
                sample = RawSample(name)
            sample.members[suffix] = member
            if count == _LOOKED_AT:
                return None
    except TarEnds:
        pass  # what was seen before is as good
    return sample if VIDEO_SUFFIXES.keys() & sample.members.keys() else None


def _has_caption(member: Member | None) -> bool:
    if member is None or member.content is None:
        return False
    try:
        return isinstance(json.loads(member.content).get("caption"), str | list)
    except (ValueError, RecursionError, AttributeError):
        return False


def _value(document: object, key: str) -> object:
    """Return what a JSON object has under a key, or under the keys that dots divide: `meta.title`."""
    if isinstance(document, dict) and key in document:
        return document[key]
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document
