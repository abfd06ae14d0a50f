"""Bytes of a stored clip against the cost of decoding it, for many ways to store it at equal visual quality.

    python -m benchmarks.profiles --videos FOLDER

Cost is processor time of one core, so that other work on the machine disturbs it little. Quality is the SSIM of four
frames, decoded and scaled to 224, against those of the source scaled likewise; each way gets the crf or quality at
which it is as good as the reference, an x264 clip of default settings at 30 frames per second and 256 pixels.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.footage import RATE, Footage, chunks, windows
from benchmarks.profile_plot import draw
from benchmarks.profile_table import write_page
from benchmarks.record import figure, write_record
from benchmarks.similarity import luma, ssim
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import as_tensor, decode_clip
from egocurate.loaders.frame_sampling import segments_middle, segments_random
from egocurate.shards.profiles import H264, PROFILES, Pictures, Profile
from egocurate.shards.video.decode import DECODERS, load
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.encode_mp4 import clip_encoder

SIZE, FRAMES, MANY_FRAMES = 224, 4, 16
CHUNK_SECONDS, CHUNK_SIDE, DEFAULT_CRF = 15, 288, 23
TAR_BLOCK = 512
ROUNDS, ROUND_SECONDS = 3, 0.12
GUESSES = {"mp4": (22.0, 28.0), "jpg": (55.0, 80.0), "webp": (50.0, 80.0)}
DOCS = Path(__file__).parents[1] / "docs"

JPEG = b"\xff\xd8"
SEEKING = "decord seeking"
CHUNK, CLIP_30 = "15 s chunk, GOP 250, 288 px", "30 fps clip, x264 default, 256 px"


@dataclass(frozen=True)
class Stored:
    """A clip or chunk as stored, and a rule that draws T frames of it."""

    members: tuple[bytes, ...]
    draw: Callable[[int, np.random.Generator], np.ndarray]


def variants() -> list[Profile]:
    """Return the ways to store a clip; crf and quality are found later."""
    ways = []

    def video(gop: int, fps: int | None = 8, side: int = 256, **settings: object) -> None:
        codec = H264(gop, 0, **settings)
        name = f"{fps or 'native'} fps, GOP {gop}, {side} px"
        name += f", {codec.b_frames} B" * bool(codec.b_frames) + ", no tune" * (not codec.tune)
        ways.append(Profile(name + f", {codec.preset}" * (codec.preset != "veryfast"), side, fps, codec))

    def pictures(kind: str, fps: int | None = 8, side: int = 256) -> None:
        ways.append(Profile(f"{fps or 'native'} fps, {kind}, {side} px", side, fps, Pictures(kind, 0)))

    for gop in (30, 8, 4):
        for b_frames in (0, 3):
            for tune in ("fastdecode", ""):
                video(gop, b_frames=b_frames, tune=tune)
    for gop in (2, 1):
        for tune in ("fastdecode", ""):
            video(gop, tune=tune)
    for gop in (30, 8, 4, 1):
        video(gop, fps=16)
    video(8, fps=16, b_frames=3)
    video(8, fps=16, b_frames=3, tune="")
    for gop in (250, 30, 8, 4, 2, 1):
        video(gop, fps=None)
    video(250, fps=None, b_frames=3, tune="")
    video(30, fps=None, b_frames=3, tune="")
    for side in (224, 288):
        video(4, side=side)
        video(1, side=side)
        pictures("jpg", side=side)
    video(4, preset="medium")
    video(4, preset="medium", tune="")
    video(16, preset="medium", tune="", b_frames=3)
    video(30, preset="slower", tune="", b_frames=3)
    for fps in (8, 16, None):
        pictures("jpg", fps=fps)
    pictures("webp")
    return ways


def measure(videos: Path) -> list[dict[str, object]]:
    """Return a figure for each way to store clips, and the ratios that matter, on the footage in `videos`."""
    torch.set_num_threads(1)
    footage = windows(videos)
    truth = Truth(footage)
    chunk_clips = _chunks(videos)
    clip_30 = [_default_x264([shot.scaled(n, 256) for n in shot.picked(None)]) for shot in footage]
    goal = truth.quality(None, [(data,) for data in clip_30])
    per_clip = sum(len(clip.members[0]) for clip in chunk_clips) / len(chunk_clips) / CHUNK_SECONDS
    mean_seconds = sum(len(shot.frames) for shot in footage) / len(footage) / RATE
    points = [
        _point(CHUNK, chunk_clips, bytes_per_clip=per_clip * mean_seconds),
        _point(CLIP_30, [_whole((data,), None, shot) for data, shot in zip(clip_30, footage, strict=True)], ssim=goal),
    ]
    for way in variants():
        way, clips, quality = _as_good_as(way, goal, footage, truth)
        points.append(_point(way.name, clips, ssim=quality, setting=_strength(way)))
    for way in PROFILES.values():
        # The sources are of many sizes: as the archive of a 256 pixel video.
        way = replace(way, short_side=way.short_side or 256)
        clips = stored_clips(way, footage)
        quality = truth.quality(way.fps, [clip.members for clip in clips])
        points.append(_point(way.name, clips, ssim=quality, setting=_strength(way), profile=way.settings()))
    return points + _ratios(points)


def _ratios(points: Sequence[dict]) -> list[dict[str, object]]:
    by_name = {point["what"]: point for point in points}
    chunk, clip, train, fast = (by_name[name] for name in (CHUNK, CLIP_30, "train", "fast"))
    found = [
        figure("train: 4 frames, times the chunk", train["value"] / chunk["value"], "x", ">= 10"),
        figure("train: 4 frames, times the 30 fps clip", train["value"] / clip["value"], "x", ">= 2.5"),
        figure("train: bytes, times the 30 fps clip", train["bytes"] / clip["bytes"], "x", "<= 2"),
        figure("fast: 4 frames, times the chunk", fast["value"] / chunk["value"], "x", ">= 20"),
    ]
    if SEEKING in chunk["decoders"]:
        theirs = chunk["decoders"][SEEKING]
        found.append(figure("train: 4 frames, times the chunk as decord reads it", train["value"] / theirs, "x"))
    return found


class Truth:
    """The luma of source frames at the size a model sees."""

    def __init__(self, footage: Sequence[Footage]) -> None:
        self._footage = footage
        self._frames: dict[tuple[int, int], torch.Tensor] = {}

    def quality(self, fps: int | None, clips: Sequence[tuple[bytes, ...]]) -> float:
        """Return the mean SSIM of the middle frames of clips, one for each window."""
        found = []
        for place, (shot, members) in enumerate(zip(self._footage, clips, strict=True)):
            numbers = shot.picked(fps)
            shown = segments_middle(len(numbers), FRAMES)
            wanted = torch.cat([self._luma(place, numbers[n]) for n in shown])
            found.append(ssim(luma(_decode(members, shown, "auto"), wanted.shape[-2:]), wanted))
        return float(np.mean(found))

    def _luma(self, place: int, number: int) -> torch.Tensor:
        if (place, number) not in self._frames:
            picture = self._footage[place].frames[number].to_ndarray(format="rgb24")
            height, width = picture.shape[:2]
            size = (SIZE, round(SIZE * width / height))
            self._frames[place, number] = luma(torch.from_numpy(picture).permute(2, 0, 1)[None], size)
        return self._frames[place, number]


def _as_good_as(
    way: Profile, goal: float, footage: Sequence[Footage], truth: Truth
) -> tuple[Profile, list[Stored], float]:
    """Return the way at the crf or quality whose SSIM is `goal`, by a line through two guesses and a step along it."""
    tried: dict[float, float] = {}
    strength = 0.0
    for guess in (*GUESSES[way.codec.members], None, None):
        if guess is None:
            (x0, y0), (x1, y1) = sorted(tried.items(), key=lambda pair: abs(pair[1] - goal))[:2]
            guess = x0 + (goal - y0) * (x1 - x0) / (y1 - y0)
        strength = round(min(max(guess, 1), 51 if way.codec.members == "mp4" else 98), 1)
        if isinstance(way.codec, Pictures):
            strength = round(strength)
        if strength in tried:
            break
        way = _with_strength(way, strength)
        clips = stored_clips(way, footage)
        tried[strength] = truth.quality(way.fps, [clip.members for clip in clips])
        if abs(tried[strength] - goal) < 0.0005:
            break
    return way, clips, tried[strength]


def _with_strength(way: Profile, strength: float) -> Profile:
    if isinstance(way.codec, H264):
        return replace(way, codec=replace(way.codec, crf=strength))
    return replace(way, codec=replace(way.codec, quality=int(strength)))


def _strength(way: Profile) -> float:
    return way.codec.crf if isinstance(way.codec, H264) else way.codec.quality


def stored_clips(way: Profile, footage: Sequence[Footage]) -> list[Stored]:
    """Return the windows of the footage as clips stored in a way."""
    clips = []
    for shot in footage:
        frames = [shot.scaled(number, way.short_side) for number in shot.picked(way.fps)]
        encoder = clip_encoder(frames[0].width, frames[0].height, Fraction(way.fps or RATE), way)
        for frame in frames:
            encoder.add(frame)
        clips.append(_whole(encoder.finish(), way.fps, shot))
    return clips


def _whole(members: tuple[bytes, ...], fps: int | None, shot: Footage) -> Stored:
    count = len(shot.picked(fps))
    return Stored(members, lambda frames, rng: segments_random(count, frames, rng))


def _chunks(videos: Path) -> list[Stored]:
    """Return chunks of which frames of a window of 1 to 2 s are drawn."""

    def window(frames: int, rng: np.random.Generator) -> np.ndarray:
        length = int(rng.integers(RATE, 2 * RATE + 1))
        return rng.integers(0, CHUNK_SECONDS * RATE - length + 1) + segments_random(length, frames, rng)

    return [Stored((_default_x264(frames),), window) for frames in chunks(videos, CHUNK_SECONDS, CHUNK_SIDE)]


def _default_x264(frames: Sequence[av.VideoFrame]) -> bytes:
    """Encode as the ffmpeg command does if it is told nothing but the codec."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"preset": "medium", "crf": str(DEFAULT_CRF), "g": "250"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, RATE), 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _decode(members: tuple[bytes, ...], indices: np.ndarray, decoder: str) -> torch.Tensor:
    if decoder == SEEKING:
        return _decord_seeking(members[0], indices)
    if decoder in ("Pillow", "simplejpeg") or len(members) > 1:
        return as_tensor(decode_pictures([members[n] for n in indices.tolist()]))
    return decode_clip(members[0], indices, decoder)


def _decord_seeking(data: bytes, indices: np.ndarray) -> torch.Tensor:
    """Decode as LaViLa and AVION do: some of decord's frames are wrong after a seek, which costs them no time."""
    import decord

    frames = decord.VideoReader(io.BytesIO(data), num_threads=1).get_batch(indices.tolist()).asnumpy()
    return as_tensor(frames)


def _point(name: str, clips: Sequence[Stored], bytes_per_clip: float | None = None, **more: object) -> dict:
    """Return the figure of one way: clips/s/core for 4 frames with the best decoder, and all else that is known."""
    rates = {decoder: _rate(clips, decoder, FRAMES) for decoder in _decoders(clips)}
    best = max(rates, key=rates.__getitem__)
    size = np.mean([sum(-(-len(file) // TAR_BLOCK) + 1 for file in clip.members) for clip in clips]) * TAR_BLOCK
    return figure(name, rates[best], "clips/s/core") | {
        "decoder": best,
        "decoders": {decoder: round(rate, 1) for decoder, rate in rates.items()},
        "frames_16": round(_rate(clips, best, MANY_FRAMES), 1),
        "bytes": round(bytes_per_clip or size),
        **{key: round(value, 4) if isinstance(value, float) else value for key, value in more.items()},
    }


def _decoders(clips: Sequence[Stored]) -> list[str]:
    if clips[0].members[0][4:8] != b"ftyp":
        return ["simplejpeg" if clips[0].members[0].startswith(JPEG) else "Pillow"]
    loading = [name for name in DECODERS if load(name).frames is not None]
    return loading + [SEEKING] * ("decord" in loading)


def _rate(clips: Sequence[Stored], decoder: str, frames: int) -> float:
    """Return how many clips one core decodes in a second, at best of some rounds."""
    fastest = 0.0
    for _ in range(ROUNDS):
        rng = np.random.default_rng(0)
        done, began = 0, time.process_time()
        while (spent := time.process_time() - began) < ROUND_SECONDS:
            for clip in clips:
                indices = clip.draw(frames, rng)
                picture = _decode(clip.members, indices, decoder)
                crop_and_resize(picture, center_view(*picture.shape[-2:]), SIZE)
            done += len(clips)
        fastest = max(fastest, done / spent)
    return fastest


def main() -> None:
    """Measure, write the record and draw the plane."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of first-person footage")
    figures = measure(parser.parse_args().videos)
    write_record("profiles", figures)
    draw([point for point in figures if "bytes" in point], DOCS / "profiles.png")
    write_page(DOCS / "profiles.md")


if __name__ == "__main__":
    main()
