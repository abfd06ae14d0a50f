"""Ways to break an input: bytes, JSON values, tables; each a pure function of a random generator and a whole input."""

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

ODD_TEXTS = (
    "", " ", "nan", "-1", "1e999", "0x10", "None", "null", "../../etc/passwd", "/dev/zero", "a\x00b", "\ud800",
    "é", "\u202e", "\r\n", '"', "'", ",", "#C C ", "9" * 400, "x" * 10_000, "1_0", "１", "True", "[]", "{}", "=1+1",
)  # fmt: skip
ODD_NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf"))
ODD_VALUES = (*ODD_TEXTS, *ODD_NUMBERS, None, True, False, [], {}, [[]], {"a": {}}, [None], [1, "a"])


def broken_bytes(rng: Random, data: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """Return `data` with one to four changes: bits, bytes, stretches doubled, dropped, moved, tokens put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(out) + 1)
        length = min(len(out) - at, rng.choice((1, 1, 2, 4, 16, 256)))
        match rng.randrange(8):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length] * rng.choice((1, 1, 50))
            case 4:
                out[at : at + length] = rng.randbytes(length)
            case 5:
                del out[at:]
            case 6:
                out[at:at] = rng.choice(tokens) if tokens else rng.randbytes(length)
            case _:
                other = rng.randrange(len(out) + 1)
                out[at : at + length] = out[other : other + length]
    return bytes(out)


def broken_json(rng: Random, value: Any) -> Any:
    """Return a copy of a JSON value with one to three places changed: other types, odd values, keys and items gone."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return rng.choice(ODD_VALUES)
        holder, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice((*ODD_TEXTS, str(key) + " "))] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.extend([copy.deepcopy(holder[key])] * rng.choice((1, 3, 100)))
            case 3:
                there, at = rng.choice(places)
                holder[key] = copy.deepcopy(there[at])
            case 4 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = rng.choice((holder[key] + 1, -holder[key], holder[key] * 10**6, str(holder[key])))
            case _:
                holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return value


def broken_json_text(rng: Random, value: Any) -> bytes:
    """Return JSON text of a broken value (it may hold NaN and lone surrogates), or broken text of a whole one."""
    if rng.random() < 0.7:
        return json.dumps(broken_json(rng, value), ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    tokens = (
        b"NaN",
        b"Infinity",
        b"[" * 5000,
        b"{",
        b"}",
        b'"',
        b",",
        b"\\ud800",
        b"\x00",
        b"\xff",
        b"1e999",
        b"\xef\xbb\xbf",
    )
    return broken_bytes(rng, json.dumps(value).encode(), tokens)


def broken_rows(rng: Random, rows: list[list[str]]) -> list[list[str]]:
    """Return a copy of a table's rows, the header among them, with cells, columns and rows changed."""
    rows = [list(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.choice(rows)
        match rng.randrange(6):
            case 0 if row:
                del row[rng.randrange(len(row))]
            case 1:
                row.insert(rng.randrange(len(row) + 1), rng.choice(ODD_TEXTS))
            case 2:
                rows.insert(rng.randrange(len(rows) + 1), list(row))
            case 3 if len(rows) > 1:
                rows.remove(row)
            case _ if row:
                row[rng.randrange(len(row))] = rng.choice((*ODD_TEXTS, *map(str, ODD_NUMBERS)))
    return rows


def _places(value: Any) -> Any:
    """Yield each (container, key or index) inside a JSON value."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in keys:
        yield value, key
        yield from _places(child)
