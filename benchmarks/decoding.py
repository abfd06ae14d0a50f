"""What was tried to decode stored clips with less work, each beside what is done: `python -m benchmarks.decoding`.

    python -m benchmarks.decoding --videos FOLDER

FOLDER holds first-person footage, as for `benchmarks.profiles`. Cost is processor time of one core. All variants of a
table take turns, and what counts is the median of the turns' ratios to the first row, which other work on the machine
disturbs little. Docs/profiles.md shows the tables.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import av
import numpy as np
import simplejpeg
import torch
from av.video.reformatter import VideoReformatter
from PIL import Image

from benchmarks.footage import Footage, windows
from benchmarks.profile_table import write_page
from benchmarks.profiles import DOCS, Stored, Truth, stored_clips
from benchmarks.record import figure, write_record
from egocurate.loaders.batch import Clip, collate
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import as_tensor
from egocurate.shards.profiles import H264, PROFILES, Profile
from egocurate.shards.video import decode_pyav
from egocurate.shards.video.decode import decode_frames
from egocurate.shards.video.decode_pictures import decode_pictures

TURNS, FRAMES, MANY, SIZE = 7, 4, 16, 224
KEPT, OF_PILLOW = "what is done", "what was done"


@dataclass(frozen=True)
class Tried:
    """A variant: what it does once, and all else that is known of it."""

    run: Callable[[], object]
    facts: Mapping[str, object]
    verdict: str


def pictures(footage: Sequence[Footage]) -> dict[str, Tried]:
    """Return ways to decode the pictures of the `fast` profile: the first as Pillow does."""
    stored = [file for clip in stored_clips(PROFILES["fast"], footage) for file in clip.members[::4]]
    codec, converter = av.CodecContext.create("mjpeg", "r"), VideoReformatter()
    codec.thread_count = 1
    quality = PROFILES["fast"].codec.quality

    def again(**settings: object) -> list[bytes]:
        files = []
        for file in stored:
            written = io.BytesIO()
            picture = Image.open(io.BytesIO(file))
            picture.save(written, "JPEG", quality=quality, subsampling="4:2:0", **settings)
            files.append(written.getvalue())
        return files

    def turbo(file: bytes, **settings: object) -> np.ndarray:
        return simplejpeg.decode_jpeg(file, "RGB", **settings)

    def planes(file: bytes) -> av.VideoFrame:
        return codec.decode(av.Packet(file))[0]

    def rgb(file: bytes) -> np.ndarray:
        return converter.reformat(planes(file), format="rgb24", threads=1).to_ndarray()

    exact = [turbo(file) for file in stored]
    found: dict[str, Tried] = {}

    def add(what: str, decode: Callable[[bytes], object], verdict: str, files: list[bytes] | None = None) -> None:
        files = stored if files is None else files
        facts: dict[str, object] = {"bytes": round(float(np.mean([len(file) for file in files])))}
        shown = decode(files[0])
        if files is stored and isinstance(shown, np.ndarray) and shown.shape == exact[0].shape:
            pairs = zip(map(decode, files), exact, strict=True)
            levels = np.concatenate([np.abs(shown.astype(int) - own).ravel() for shown, own in pairs])
            facts |= {"largest": int(levels.max()), "mean": float(levels.mean())}
        found[what] = Tried(lambda: [decode(file) for file in files], facts, verdict)

    add("Pillow", lambda file: np.asarray(Image.open(io.BytesIO(file)).convert("RGB")), OF_PILLOW)
    add("simplejpeg (libjpeg-turbo)", turbo, KEPT)
    add("with the fast transform", lambda file: turbo(file, fastdct=True), "other pixels than Pillow's for 4 %")
    add("with fast upsampling of colors", lambda file: turbo(file, fastupsample=True), "other pixels for 9 %")
    add("half the size", lambda file: turbo(file, min_factor=2, min_height=1, min_width=1), "for 112 pixels only")
    add("PyAV's mjpeg, planes only", planes, "slower than RGB by libjpeg-turbo")
    add("PyAV's mjpeg, to RGB", rgb, "slower")
    tables = again(optimize=True)
    add("Huffman tables of each picture's own", turbo, "3 % of the bytes, 1 % of the time, twice to encode", tables)
    rows = again(restart_marker_rows=1)
    add("a restart marker for each row of blocks", turbo, "crops of wide video hold .9 of the rows", rows)
    blocks = again(restart_marker_blocks=5)
    add(
        "a restart marker for every fifth block", turbo, "crops need .75 of the parts, putting them together .1", blocks
    )
    return found


def videos(footage: Sequence[Footage], truth: Truth) -> dict[str, Tried]:
    """Return ways to encode the `train` profile, at about equal similarity: the first as it was."""
    ssim = "fastdecode,ssim"
    ways = {
        "256 px, GOP 2, veryfast": (256, H264(2, 25.6), OF_PILLOW),
        "256 px, GOP 2, medium for SSIM": (256, H264(2, 26.2, "medium", ssim), "2.5 times to encode, for 3 %"),
        "256 px, GOP 1": (256, H264(1, 23.2), "a quarter more bytes"),
        "256 px, GOP 3, medium for SSIM": (256, H264(3, 25.6, "medium", ssim), "slower on 4 frames"),
        "240 px, GOP 2, medium for SSIM": (240, H264(2, 25.4, "medium", ssim), "less than 224 px"),
        "224 px, GOP 2, medium for SSIM": (224, H264(2, 23.7, "medium", ssim), "2.5 times to encode, for 4 % of bytes"),
        "224 px, GOP 1, medium for SSIM": (224, H264(1, 21.1, "medium", ssim), "a quarter more bytes"),
        "224 px, GOP 2, veryfast": (224, H264(2, 23.3), KEPT),
    }
    found = {}
    for what, (side, codec, verdict) in ways.items():
        clips = stored_clips(Profile(what, side, 8, codec), footage)
        facts = {
            "bytes": round(float(np.mean([len(clip.members[0]) for clip in clips]))),
            "ssim": round(truth.quality(8, [clip.members for clip in clips]), 4),
        }
        found[what] = Tried(_drawn(clips, FRAMES), facts, verdict)
    return found


def reading(footage: Sequence[Footage]) -> dict[str, Tried]:
    """Return ways to read clips of 16 frames to a batch: the first as it was done."""
    clips = {name: stored_clips(PROFILES[name], footage) for name in ("train", "fast", "small")}
    was = stored_clips(replace(PROFILES["train"], short_side=256, codec=H264(2, 25.5)), footage)
    return {
        "train of 256 px, each frame resized": Tried(_read(was, once=False), {}, OF_PILLOW),
        "train": Tried(_read(clips["train"], once=True), {}, KEPT),
        "small": Tried(_read(clips["small"], once=True), {}, "deblocking and CABAC cost more than keyframes"),
        "fast, each frame resized": Tried(_read(clips["fast"], once=False), {}, OF_PILLOW),
        "fast": Tried(_read(clips["fast"], once=True), {}, KEPT),
    }


def _drawn(clips: Sequence[Stored], frames: int) -> Callable[[], object]:
    """Return what decodes frames of each clip, others each time, and the same ones for all ways to store it."""
    turns = itertools.count()

    def run() -> None:
        rng = np.random.default_rng(next(turns))
        for clip in clips:
            decode_pyav.decode(clip.members[0], np.unique(clip.draw(frames, rng)).tolist())

    return run


def _read(clips: Sequence[Stored], *, once: bool) -> Callable[[], object]:
    """Return what makes a batch of MANY frames of each clip; frames that come twice are resized once, or each time."""

    def run() -> None:
        shown = []
        for clip in clips:
            indices = clip.draw(MANY, np.random.default_rng(0))
            distinct, place = np.unique(indices, return_inverse=True)
            frames = as_tensor(_frames(clip, distinct if once else indices))
            part = crop_and_resize(frames, center_view(*frames.shape[-2:]), SIZE + 1)  # so that it has to be resized
            shown.append(Clip(part, "", [], [], 0, repeats=place if once else None))
        collate(shown, None, 0, 0)

    return run


def _frames(clip: Stored, indices: np.ndarray) -> np.ndarray:
    if len(clip.members) == 1:
        return decode_frames(clip.members[0], indices)
    distinct, place = np.unique(indices, return_inverse=True)
    frames = decode_pictures([clip.members[n] for n in distinct.tolist()])
    return frames if len(distinct) == len(indices) else frames[place]


def measured(table: str, tried: Mapping[str, Tried], each: int, unit: str) -> list[dict[str, object]]:
    """Return a figure for each variant: milliseconds for one of `each`, and times as fast as the first."""
    spent: dict[str, list[float]] = {what: [] for what in tried}
    for _ in range(TURNS):
        for what, variant in tried.items():
            began = time.process_time()
            variant.run()
            spent[what].append((time.process_time() - began) / each * 1000)
    first = next(iter(spent.values()))
    return [
        figure(f"{table}: {what}", median(spent[what]), unit)
        | {
            "ratio": round(median(a / b for a, b in zip(first, spent[what], strict=True)), 2),
            "verdict": variant.verdict,
        }
        | {key: round(value, 3) if isinstance(value, float) else value for key, value in variant.facts.items()}
        for what, variant in tried.items()
    ]


def main() -> None:
    """Measure the tables, write the record and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of first-person footage")
    torch.set_num_threads(1)
    decode_pyav.load()
    footage = windows(parser.parse_args().videos)
    files = sum(len(shot.picked(8)[::4]) for shot in footage)
    figures = measured("pictures", pictures(footage), files, "ms/picture")
    figures += measured("train", videos(footage, Truth(footage)), len(footage), "ms/clip of 4")
    figures += measured("16 frames", reading(footage), len(footage), "ms/clip of 16")
    write_record("decoding", figures)
    write_page(DOCS / "profiles.md")


if __name__ == "__main__":
    main()
