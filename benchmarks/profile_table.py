"""The named profiles as a table, out of the record that `benchmarks.profiles` keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.record import RESULTS

HEADER = ("profile", "stored as", "kB/clip", "SSIM", "4 frames, clips/s/core", "16 frames", "x chunk", "x 30 fps clip")
PAGE = """# Profiles

A profile says how clips are stored, and trades bytes for speed. This page compares them: the bytes of a clip of 1 to
2 s, and how many such clips one core decodes in a second, to frames of 224 pixels.
`python -m benchmarks.profiles --videos FOLDER` measures it on the videos of a folder; this is of {date}, on {machine}.

Two other ways to store video are measured beside them. The *15 s chunk* is 288 pixels high, encoded by x264 with its
defaults (a keyframe every 250 frames), and frames of 1 to 2 s are read out of it. The *30 fps clip* is the clip alone
at 256 pixels, encoded in the same way. Each is read by the decoder that is fastest for it.

GOP is the number of frames from one keyframe to the next. SSIM compares the frames at 224 pixels with the source; 1 is
equal. `native` keeps the size of the source, and is measured on one of 256 pixels.

{table}

In the picture each dot is a way to store clips. All of them but the named profiles are as good as the 30 fps clip.

![Bytes of a clip against decoding speed](profiles.png)
"""


def rows(record: Path = RESULTS / "profiles.json") -> list[tuple[str, ...]]:
    """Return the table, its header first: the two baselines, then the named profiles."""
    points = [figure for figure in json.loads(record.read_text())["figures"] if "bytes" in figure]
    chunk, clip = points[:2]
    named = [point for point in points if "profile" in point]
    return [HEADER, *(_row(point, chunk["value"], clip["value"]) for point in (chunk, clip, *named))]


def write_page(out: Path, record: Path = RESULTS / "profiles.json") -> None:
    """Write the table and the plane as a page of the documentation."""
    kept = json.loads(record.read_text())
    head, *body = rows(record)
    lines = [head, ("---",) * len(head), *body]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    out.write_text(PAGE.format(date=kept["date"], machine=kept["machine"], table=table))


def _row(point: Mapping, chunk: float, clip: float) -> tuple[str, ...]:
    rate = point["value"]
    name, _, rest = point["what"].partition(", ")
    return (
        name,
        _settings(point["profile"]) if "profile" in point else rest,
        f"{point['bytes'] / 1000:.0f}",
        f"{point['ssim']:.3f}" if "ssim" in point else "",
        f"{rate:.0f} ({point['decoder']})",
        f"{point['frames_16']:.0f}",
        f"{rate / chunk:.1f}",
        f"{rate / clip:.1f}",
    )


def _settings(profile: Mapping) -> str:
    size = f"{profile['short_side'] or 'native'} px, {profile['fps'] or 'native'} fps"
    if profile["members"] != "mp4":
        return f"{size}, {profile['members']} of quality {profile['quality']}"
    more = [f"GOP {profile['gop']}", f"crf {profile['crf']:g}", profile["preset"], profile["tune"]]
    more += [f"{profile['b_frames']} B"] * bool(profile["b_frames"])
    return f"{size}, {', '.join(filter(None, more))}"
