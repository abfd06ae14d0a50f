"""The named profiles as a table, out of the record that `benchmarks.profiles` keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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

## What else was tried

The cost of decoding is most of a loader's work. The tables below tell what was tried to lower it, each variant measured
in turns with the first row of its table (`python -m benchmarks.decoding --videos FOLDER`, {decoding_date}, on
{decoding_machine}).

`train` stores 224 pixels, not 256: fewer blocks, each stored better, come as near to the source for about the same
bytes. That holds for the random crops of training, too. Of 96 crops of half of the frame and more, mean SSIM is .967
with both.

### The pictures of `fast`

All decode to the pixels of the second row unless the table says by how many levels they differ. Random crops of wide
video hold about .6 of a picture, but JPEG can be entered at restart markers only, and no package that installs with
`pip` decodes part of a picture.

{pictures}

After decoding, resizing the crops costs most. OpenCV's resize is no faster than PyTorch's integer code, and differs
from it by up to four levels; nor is writing straight into the batch's memory, in place of a copy.

### The mp4 of `train`

{train}

### Batches of 16 frames

Clips of one to two seconds hold 8 to 16 frames, so some are shown twice; each is decoded and resized once.

{many}
"""

TRIED = ("", "ms", "times as fast", "bytes", "SSIM", "levels from the pixels, mean and most", "")


def rows(record: Path = RESULTS / "profiles.json") -> list[tuple[str, ...]]:
    """Return the table, its header first: the two baselines, then the named profiles."""
    points = [figure for figure in json.loads(record.read_text())["figures"] if "bytes" in figure]
    chunk, clip = points[:2]
    named = [point for point in points if "profile" in point]
    return [HEADER, *(_row(point, chunk["value"], clip["value"]) for point in (chunk, clip, *named))]


def tried(figures: Sequence[Mapping], table: str) -> list[tuple[str, ...]]:
    """Return a table of `benchmarks.decoding`, its header first, without the columns in which nothing is said."""
    lines = [TRIED]
    for point in figures:
        name, _, what = point["what"].partition(": ")
        if name == table:
            levels = f"{point['mean']:.2f}, {point['largest']}" if point.get("largest") else ""
            size, ssim = (f"{point[key]:,}" if key in point else "" for key in ("bytes", "ssim"))
            lines.append((what, f"{point['value']:.2f}", f"{point['ratio']:.2f}", size, ssim, levels, point["verdict"]))
    said = [any(line[column] for line in lines[1:]) for column in range(len(TRIED))]
    return [tuple(cell for cell, is_said in zip(line, said, strict=True) if is_said) for line in lines]


def write_page(
    out: Path, profiles: Path = RESULTS / "profiles.json", decoding: Path = RESULTS / "decoding.json"
) -> None:
    """Write the tables and the plane as a page of the documentation."""
    kept, others = (json.loads(record.read_text()) for record in (profiles, decoding))
    tables = {"pictures": "pictures", "train": "train", "many": "16 frames"}
    page = PAGE.format(
        date=kept["date"],
        machine=kept["machine"],
        table=_markdown(rows(profiles)),
        decoding_date=others["date"],
        decoding_machine=others["machine"],
        **{place: _markdown(tried(others["figures"], name)) for place, name in tables.items()},
    )
    out.write_text(page)


def _markdown(lines: Sequence[tuple[str, ...]]) -> str:
    head, *body = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ("---",) * len(head), *body])


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
