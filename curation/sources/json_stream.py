"""Read JSON files of any size: member by member, with one decoder and so one result for small and large files.

A value is decoded by the standard library as soon as the text read so far holds it whole. Against an event parser this
costs the same time, and accepts what `json.load` accepts (NaN among others) in files too large to load at once.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath
from egocurate.storage.remote_file import open_file

CHUNK = 1 << 22
LONGEST_TOKEN = 1 << 24
"""No string in an annotation file is this long: an error that much more text does not cure is in the file."""

LONGEST_NUMBER = 8
"""Nor does a number go on for this long after what looks like its end."""

_WHITE = " \t\r\n"
_AFTER_VALUE = tuple(",}:" + _WHITE)


def load_json(path: AnyPath) -> dict[str, Any]:
    """Return the object a JSON file holds; raises InputError with the byte position if it cannot be read."""
    return dict(members(path))


def members(path: AnyPath, inside: str | None = None, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of the object in a JSON file, or of the object under its key `inside`, one at a time.

    Raises InputError for a file that is empty, no UTF-8, no JSON (with the byte position), or of another shape.
    """
    is_there = inside is None
    with open_file(path) as file:
        reader = _Reader(path, file, chunk)
        reader.open_object("the top level", outermost=True)
        for key in reader.keys():  # noqa: SIM118 - a method of the reader, no dict
            if key != inside and inside is not None:
                reader.value()
                continue
            if inside is None:
                yield key, reader.value()
                continue
            is_there = True
            reader.open_object(repr(key))
            for name in reader.keys():  # noqa: SIM118
                yield name, reader.value()
        reader.finish()
    if not is_there:
        raise InputError(f"{path}: has no {inside!r}; is it another file under this name? Fetch it again")


class _Reader:
    """Text of a file from the present position on, read as needed."""

    def __init__(self, path: AnyPath, file: BinaryIO, chunk: int) -> None:
        self.path = path
        self.file = file
        self.chunk = chunk
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.decode = json.JSONDecoder().raw_decode
        self.text = ""
        self.at = 0
        self.passed = 0  # bytes of the file before self.text
        self.ended = False

    def more(self) -> None:
        """Drop what was used and read on; doubles what is held, so a large value is tried a few times only."""
        self.passed += len(self.text[: self.at].encode())
        self.text, self.at = self.text[self.at :], 0
        data = self.file.read(max(self.chunk, len(self.text)))
        self.ended = not data
        if self.passed == 0 and data.startswith(codecs.BOM_UTF8):
            self.passed = len(codecs.BOM_UTF8)
        try:
            self.text += self.decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            place = self.file.tell() - len(error.object) + error.start
            raise InputError(f"{self.path}: byte {place} is not UTF-8; fetch the file again") from error

    def peek(self) -> str:
        """Return the next character that is no white space, "" at the end of the file."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _WHITE:
                    return self.text[self.at]
                self.at += 1
            if self.ended:
                return ""
            self.more()

    def broken(self, what: str, at: int | None = None) -> NoReturn:
        """Raise InputError for the place `at` in the text."""
        place = self.passed + len(self.text[: self.at if at is None else at].encode())
        raise InputError(f"{self.path}: broken JSON at byte {place} ({what}); fetch the file again")

    def open_object(self, name: str, outermost: bool = False) -> None:
        """Step into an object."""
        first = self.peek()
        if not first:
            self.broken("the file is empty" if outermost else "the file ends too early")
        if first != "{":
            raise InputError(
                f"{self.path}: {name} is no object but begins with {first!r}; is it another file? Fetch it again"
            )
        self.at += 1

    def keys(self) -> Iterator[str]:
        """Yield the keys of the object stepped into; the caller reads each value before asking for the next key."""
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            if self.peek() != '"':
                self.broken("a key in quotes is missing")
            key = self.value()
            if self.peek() != ":":
                self.broken("':' is missing")
            self.at += 1
            yield key
            following = self.peek()
            if following not in ("}", ","):
                self.broken("',' or '}' is missing" if following else "the file ends too early")
            self.at += 1
            if following == "}":
                return

    def value(self) -> Any:  # noqa: ANN401 - whatever the file holds
        """Decode the value at the present position and step behind it."""
        self.peek()
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.ended or len(self.text) - error.pos > LONGEST_TOKEN:
                    self.broken(error.msg[:1].lower() + error.msg[1:], error.pos)
            except (ValueError, RecursionError) as error:  # an integer of thousands of digits, thousands of brackets
                self.broken(str(error))
            else:
                # "1." and "1e" are the beginnings of a number that the decoder takes for 1 and something else
                if self.text[end : end + 1] in _AFTER_VALUE or self.ended or len(self.text) - end > LONGEST_NUMBER:
                    self.at = end
                    return value
            self.more()

    def finish(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            self.broken("text after the end")
