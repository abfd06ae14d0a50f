"""Where the pictures of a stored mp4 stand, out of the file's own tables, without a demuxer.

A stored clip holds a dozen pictures, and opening FFmpeg's demuxer takes a tenth of the time that decoding four of them
does. Only the plainest layout is read here, that of the clips that this package writes: one track of video, shown from
its first picture to its last. Of any other, and of damaged tables, nothing is said, and a demuxer reads it. Numbers are
those of ISO/IEC 14496-12, 8 and 12.1.3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PADDING = 64
"""bytes that FFmpeg's decoders may read past the end of a packet"""
_ENTRY = 86  # bytes of a sample entry of video before the boxes in it
_BITRATE = b"btrt"  # each clip has its own, and a decoder has no use for it
_ONCE = 0x00010000  # the rate of an edit that plays at its normal speed
_Span = tuple[int, int]


@dataclass(frozen=True)
class Mp4Samples:
    """The pictures of a track in the order in which they are decoded."""

    description: tuple[bytes, ...]
    """all that a decoder is told of them beforehand: equal for clips that one decoder can take in turn"""
    span: list[_Span]
    """first byte in the file, and the one after the last; PADDING bytes of the file follow each"""
    time: list[int]
    """when each is shown, in a unit of the track's own; no two are equal"""
    is_key: list[bool]


def mp4_samples(data: bytes) -> Mp4Samples | None:
    """Return where the pictures of a plain mp4 file of one video track stand, or None if it is not as plain as that."""
    try:
        (place,) = (place for kind, place in _boxes(data, (0, len(data))) if kind in (b"moov", b"moof"))
        movie = _boxes_once(data, place)
        track = _boxes_once(data, movie[b"trak"])
        media = _boxes_once(data, track[b"mdia"])
        tables = _boxes_once(data, _boxes_once(data, media[b"minf"])[b"stbl"])
        samples = _samples(data, tables)
        is_whole = _shows_all(data, movie[b"mvhd"], media[b"mdhd"], track.get(b"edts"), samples.time)
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    return samples if is_whole else None


def _samples(data: bytes, tables: dict[bytes, _Span]) -> Mp4Samples:
    """Return the pictures; raises what `mp4_samples` takes for a layout that is not plain."""
    sizes = _sizes(data, tables[b"stsz"])
    count = len(sizes)
    starts = _starts(data, tables, sizes)
    ends = starts + sizes
    if starts.min() < 0 or sizes.min() < 1 or ends.max() + PADDING > len(data):
        raise ValueError("pictures outside of the file")
    times = _runs(data, tables[b"stts"], count)
    times = np.cumsum(times) - times
    if b"ctts" in tables:
        times = times + _runs(data, tables[b"ctts"], count).astype(np.uint32).view(np.int32)
    if len(np.unique(times)) < count:
        raise ValueError("pictures at one time")
    is_key = np.ones(count, bool)
    if b"stss" in tables:
        keys = _counted(data, tables[b"stss"], 1)[:, 0]
        is_key = np.isin(np.arange(1, count + 1), keys)
    spans = list(zip(starts.tolist(), ends.tolist(), strict=True))
    return Mp4Samples(_description(data, tables[b"stsd"]), spans, times.tolist(), is_key.tolist())


def _sizes(data: bytes, table: _Span) -> np.ndarray:
    """Return the bytes of each picture, int64[N]: a list, or one number where all are equal."""
    same, count = struct.unpack_from(">II", data, table[0] + 4)
    sizes = _numbers(data, table, 8, 1)[:, 0].astype(np.int64)
    if same and not len(sizes) and same * count <= len(data):
        sizes = np.full(count, same, np.int64)
    if not 0 < count == len(sizes):
        raise ValueError("no size of each picture")
    return sizes


def _starts(data: bytes, tables: dict[bytes, _Span], sizes: np.ndarray) -> np.ndarray:
    """Return where each picture begins, int64[N]: they stand one after the other in chunks, of which each is placed."""
    chunks = _counted(data, tables[b"stco"], 1)[:, 0]
    runs = _counted(data, tables[b"stsc"], 3)
    first = np.append(runs[:, 0], len(chunks) + 1)
    lengths = np.diff(first)
    if first[0] != 1 or lengths.min() < 1 or runs[:, 1].max() > len(sizes) or (runs[:, 2] != 1).any():
        raise ValueError("chunks that are none")
    per_chunk = np.repeat(runs[:, 1], lengths)
    if per_chunk.sum() != len(sizes):
        raise ValueError("chunks of other pictures")
    before = np.cumsum(sizes) - sizes
    of_chunk = np.cumsum(per_chunk) - per_chunk
    return before + np.repeat(chunks - before[np.minimum(of_chunk, len(sizes) - 1)], per_chunk)


def _shows_all(data: bytes, movie_header: _Span, media_header: _Span, edits: _Span | None, times: list[int]) -> bool:
    """Tell whether a track is shown as a whole: without an edit, or by one from its first picture to its last."""
    if edits is None:
        return True
    (edit,) = (span for kind, span in _boxes(data, edits) if kind == b"elst")
    versions = [data[span[0]] for span in (movie_header, media_header, edit)]
    ((length, start, rate),) = _counted(data, edit, 3).tolist()
    (movie_unit,) = struct.unpack_from(">I", data, movie_header[0] + 12)
    (unit,) = struct.unpack_from(">I", data, media_header[0] + 12)
    is_plain = not any(versions) and rate == _ONCE and start == min(times)
    return is_plain and length * unit > (max(times) - start) * movie_unit


def _description(data: bytes, table: _Span) -> tuple[bytes, ...]:
    """Return the entry that describes the pictures, without its bit rate."""
    ((_, (start, end)),) = _boxes(data, (table[0] + 8, table[1]))
    inside = start + _ENTRY - 8
    boxes = _boxes(data, (inside, end))
    return data[start - 4 : inside], *(kind + data[a:b] for kind, (a, b) in boxes if kind != _BITRATE)


def _boxes(data: bytes, span: _Span) -> Iterator[tuple[bytes, _Span]]:
    """Yield the kind of each box of a span and where its contents stand; raises ValueError where they do not add up."""
    at, end = span
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        if not 8 <= size <= end - at:  # 0 and 1 stand for sizes told elsewhere
            raise ValueError("a box that does not fit")
        yield kind, (at + 8, at + size)
        at += size


def _boxes_once(data: bytes, span: _Span) -> dict[bytes, _Span]:
    """Return the boxes of a span by their kinds; raises ValueError where one comes twice."""
    boxes = list(_boxes(data, span))
    if len(found := dict(boxes)) < len(boxes):
        raise ValueError("a box that comes twice")
    return found


def _runs(data: bytes, span: _Span, count: int) -> np.ndarray:
    """Return what a table of (how many, value) says of each of `count` pictures, int64[count]."""
    runs = _counted(data, span, 2)
    if runs[:, 0].max(initial=0) > count or runs[:, 0].sum() != count:
        raise ValueError("a table of other pictures")
    return np.repeat(runs[:, 1], runs[:, 0])


def _counted(data: bytes, span: _Span, width: int) -> np.ndarray:
    """Return a table that begins with the number of its rows, int64[rows, width]."""
    table = _numbers(data, span, 4, width)
    if len(table) != struct.unpack_from(">I", data, span[0] + 4)[0]:
        raise ValueError("a table of another length")
    return table.astype(np.int64)


def _numbers(data: bytes, span: _Span, skipped: int, width: int) -> np.ndarray:
    """Return the numbers of a box after its version, its flags and some bytes more, uint32[rows, width]."""
    return np.frombuffer(data[span[0] + 4 + skipped : span[1]], ">u4").reshape(-1, width)
