"""Read a pickle of lists, tuples, texts and numbers, and of nothing else.

A pickle is a program: Python's reader imports and calls what it names. Here its instructions are only read
(`pickletools`), and those that build plain values are carried out by the few lines below, which know no others. So a
file can neither name nor call anything, and takes no more memory than it has bytes for.
"""

from __future__ import annotations

from collections.abc import Callable
from pickletools import genops

from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUT, _GET = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
_NOTHING = ("PROTO", "FRAME")
_MARK = object()


class _Stack:
    """The values that a pickle has built so far, and those that it has numbered to use again."""

    def __init__(self) -> None:
        self.values: list = []
        self.numbered: dict[int, object] = {}

    def push(self, value: object) -> None:
        self.values.append(value)

    def above_mark(self) -> list:
        """Take what stands above the last mark, and the mark."""
        place = len(self.values) - 1 - self.values[::-1].index(_MARK)
        items = self.values[place + 1 :]
        del self.values[place:]
        return items

    def take(self, count: int) -> list:
        if count > len(self.values):
            raise ValueError("it takes more values than there are")
        items = self.values[len(self.values) - count :]
        del self.values[len(self.values) - count :]
        return items

    def extend(self, items: list) -> None:
        """Append to the list on top."""
        if not isinstance(self.values[-1], list):
            raise ValueError("it appends to what is no list")
        self.values[-1].extend(items)


def _steps() -> dict[str, Callable[[_Stack, object], object]]:
    """Return what each instruction does with the stack and its own argument, by name."""
    steps: dict[str, Callable[[_Stack, object], object]] = {
        "MARK": lambda stack, _: stack.push(_MARK),
        "POP": lambda stack, _: stack.take(1),
        "POP_MARK": lambda stack, _: stack.above_mark(),
        "DUP": lambda stack, _: stack.push(stack.values[-1]),
        "EMPTY_LIST": lambda stack, _: stack.push([]),
        "EMPTY_TUPLE": lambda stack, _: stack.push(()),
        "LIST": lambda stack, _: stack.push(stack.above_mark()),
        "TUPLE": lambda stack, _: stack.push(tuple(stack.above_mark())),
        "APPEND": lambda stack, _: stack.extend(stack.take(1)),
        "APPENDS": lambda stack, _: stack.extend(stack.above_mark()),
        "MEMOIZE": lambda stack, _: stack.numbered.__setitem__(len(stack.numbered), stack.values[-1]),
    }
    steps |= {f"TUPLE{count}": _tuple_of(count) for count in (1, 2, 3)}
    steps |= dict.fromkeys(_NUMBERS + _TEXTS, lambda stack, argument: stack.push(argument))
    steps |= {name: _constant(value) for name, value in _CONSTANTS.items()}
    steps |= dict.fromkeys(_PUT, lambda stack, number: stack.numbered.__setitem__(number, stack.values[-1]))
    steps |= dict.fromkeys(_GET, lambda stack, number: stack.push(stack.numbered[number]))
    return steps | dict.fromkeys(_NOTHING, lambda stack, argument: None)


def _tuple_of(count: int) -> Callable[[_Stack, object], object]:
    return lambda stack, _: stack.push(tuple(stack.take(count)))


def _constant(value: object) -> Callable[[_Stack, object], object]:
    return lambda stack, _: stack.push(value)


_STEPS = _steps()


def read_plain_pickle(path: AnyPath) -> object:
    """Return the value of a pickle; raises InputError, saying what else is in it, unless it is made of plain values."""
    try:
        return plain_value(read_bytes(path, TABLE_BYTES))
    except (ValueError, KeyError, IndexError, OverflowError, AttributeError, NotImplementedError) as error:
        raise InputError(
            f"{path}: not a pickle of lists, texts and numbers alone ({error}), so nothing of it was read; save it as "
            "jsonl, a line for each clip"
        ) from error


def plain_value(data: bytes) -> object:
    """Return the value of a pickle; raises ValueError for an instruction beyond those of plain values.

    And KeyError, IndexError, OverflowError, AttributeError or NotImplementedError for bytes that are no pickle.
    """
    stack = _Stack()
    for opcode, argument, _ in genops(data):
        if opcode.name == "STOP":
            break
        step = _STEPS.get(opcode.name)
        if step is None:
            raise ValueError(f"it has the instruction {opcode.name}" + (f" {argument!r:.60}" if argument else ""))
        step(stack, argument)
    if len(stack.values) != 1 or stack.values[0] is _MARK:
        raise ValueError("it ends with no value of its own")
    return stack.values[0]
