"""Draw a script as first-person video: a table, objects on it, hands that move one of them, a head that shakes."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from egocurate.curation.synthetic.hand import ANY, GRIPS, draw_arms, draw_palms
from egocurate.curation.synthetic.script import MOTIONS, Action, Script

# Outlines in units of the object's size, center (0, 0), y down: (body, accent).
_CIRCLE = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 16, endpoint=False)]
SHAPES: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {
    "apple": ([(x * 0.8, y * 0.8) for x, y in _CIRCLE], [(-0.1, -0.7), (0.3, -1.2), (0.4, -0.9)]),
    "ball": (_CIRCLE, [(-1, -0.2), (1, -0.2), (1, 0.2), (-1, 0.2)]),
    "book": ([(-1, -0.8), (1, -0.8), (1, 0.8), (-1, 0.8)], [(-0.1, -0.8), (0.1, -0.8), (0.1, 0.8), (-0.1, 0.8)]),
    "bottle": (
        [(-0.2, -1.2), (0.2, -1.2), (0.2, -0.5), (0.5, -0.2), (0.5, 1.1), (-0.5, 1.1), (-0.5, -0.2), (-0.2, -0.5)],
        [(-0.5, 0.2), (0.5, 0.2), (0.5, 0.7), (-0.5, 0.7)],
    ),
    "box": (
        [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        [(-0.9, -0.9), (0.9, -0.9), (0.5, -0.4), (-0.5, -0.4)],
    ),
    "brush": (
        [(-1.3, -0.15), (0.4, -0.15), (0.4, 0.15), (-1.3, 0.15)],
        [(0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4)],
    ),
    "cup": ([(-0.7, -0.8), (0.7, -0.8), (0.5, 0.8), (-0.5, 0.8)], [(0.7, -0.4), (1.1, -0.4), (1.1, 0.3), (0.6, 0.3)]),
    "knife": ([(-0.3, -0.2), (1.4, 0.0), (-0.3, 0.2)], [(-1.2, -0.2), (-0.3, -0.2), (-0.3, 0.2), (-1.2, 0.2)]),
    "phone": ([(-0.5, -1), (0.5, -1), (0.5, 1), (-0.5, 1)], [(-0.35, -0.75), (0.35, -0.75), (0.35, 0.6), (-0.35, 0.6)]),
    "plate": ([(x * 1.2, y * 0.9) for x, y in _CIRCLE], [(x * 0.7, y * 0.5) for x, y in _CIRCLE]),
}
COLORS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "apple": ((200, 40, 40), (60, 130, 50)),
    "ball": ((240, 140, 30), (250, 240, 220)),
    "book": ((50, 70, 180), (230, 220, 190)),
    "bottle": ((40, 150, 90), (240, 240, 240)),
    "box": ((170, 120, 70), (120, 80, 40)),
    "brush": ((150, 90, 40), (240, 210, 60)),
    "cup": ((230, 230, 240), (190, 190, 205)),
    "knife": ((180, 190, 200), (40, 40, 45)),
    "phone": ((30, 30, 35), (110, 200, 240)),
    "plate": ((235, 235, 225), (190, 210, 225)),
}
LAPS = 0.9  # of its range that a drifting object goes in an action
APART = 0.75  # of its size: how far the halves of an object lie from where it was
MARGIN = 0.12  # of the side: what the camera's shake may uncover


def pose(verb: str, phase: float) -> tuple[float, float, float, float]:
    """Where an object is in an action: (dx, dy in sides of the picture, scale, angle in radians) at phase 0..1."""
    swing = math.sin(2 * math.pi * 3 * phase)
    return {
        "lift": (0.0, 0.28 - 0.56 * phase, 1.0, 0.0),
        "lower": (0.0, -0.28 + 0.56 * phase, 1.0, 0.0),
        "pull": (0.0, 0.0, 0.6 + 0.9 * phase, 0.0),
        "push": (0.0, 0.0, 1.5 - 0.9 * phase, 0.0),
        "rotate": (0.0, 0.0, 1.0, 2 * math.pi * 1.5 * phase),
        "shake": (0.16 * swing, 0.0, 1.0, 0.15 * swing),
        "stir": (0.14 * math.cos(2 * math.pi * 2 * phase), 0.14 * math.sin(2 * math.pi * 2 * phase), 1.0, 0.0),
        "tap": (0.0, -0.16 * abs(swing), 1.0, 0.0),
    }[verb]


def drift(motion: str, phase: float, start: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """Where an object is that drifts along an axis at one speed, as `pose` says it, at phase 0..1 from `start`.

    What leaves the range at one end comes back at the other. So for a start drawn evenly the object is anywhere
    in its range at any moment, whatever the motion: a picture alone does not tell which it is, only their order does.
    """
    axis, way = MOTIONS[motion]
    at = list(start)
    at[axis] = (at[axis] + way * LAPS * phase) % 1
    return 0.6 * (at[0] - 0.5), 0.5 * (at[1] - 0.5), 0.6 * 2.5 ** at[2], 0.0


def render(script: Script, path: Path, *, side: int, fps: int, seed: int, spots: float = 0.0) -> None:
    """Encode a script as H.264 in MP4, `side` x `side` pixels at `fps`; the same seed gives the same pixels.

    spots: size of the spots of wall and table in sides of the picture; with 0 each pixel has a shade of its own.
    """
    rng = np.random.default_rng(seed)
    table = _table(rng, script, side, spots)
    colors = {noun: _tinted(rng, COLORS[noun]) for noun in script.objects}
    frame_count = round(script.duration_sec * fps)
    shake = _shake(rng, frame_count)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "20", "g": "60"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for i in range(frame_count):
            picture = _picture(script, table, colors, i / fps, shake[i], side)
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _table(rng: np.random.Generator, script: Script, side: int, spots: float) -> Image.Image:
    """The still part of a scene, with a margin: wall, table top, and every object lying around as a distractor."""
    full = round(side * (1 + 2 * MARGIN))
    wall, top = rng.integers(70, 180, 3), rng.integers(60, 170, 3)
    rows = np.arange(full)[:, None, None] / full
    pixels = np.where(rows < 0.25, wall, top) + _shades(rng, full, spots * side)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for place, noun in enumerate(script.objects):
        x = (place + 0.5) / len(script.objects) * full
        y = full * (0.3 if place % 2 else 0.85) + rng.normal(0, 0.02) * full
        _draw_object(draw, noun, _tinted(rng, COLORS[noun]), (x, y), 0.075 * side, rng.uniform(0, 2 * math.pi))
    return picture


def _shades(rng: np.random.Generator, full: int, spot: float) -> np.ndarray:
    """Draw what is lighter and darker [full, full, 1]: each pixel on its own, or smooth spots of so many pixels."""
    if not spot:
        return rng.normal(0, 10, (full, full, 1))
    cells = math.ceil(full / spot)
    drawn = Image.fromarray(rng.normal(0, 25, (cells, cells)).astype(np.float32))
    return np.asarray(drawn.resize((full, full), Image.Resampling.BICUBIC))[..., None]


def _tinted(rng: np.random.Generator, colors: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """No two kitchens have the same cup: shift a pair of colors a little."""
    shift = rng.integers(-25, 26, 3)
    return tuple(tuple(int(v) for v in np.clip(np.array(c) + shift, 0, 255)) for c in colors)


def _shake(rng: np.random.Generator, frame_count: int) -> np.ndarray:
    """Head motion [frames, 2] in -1..1: a slow random walk pulled back to the middle."""
    shake = np.zeros((frame_count, 2))
    for i in range(1, frame_count):
        shake[i] = np.clip(0.95 * shake[i - 1] + rng.normal(0, 0.12, 2), -1, 1)
    return shake


def _picture(
    script: Script,
    table: Image.Image,
    colors: dict[str, tuple[tuple[int, ...], ...]],
    time_sec: float,
    shake: np.ndarray,
    side: int,
) -> Image.Image:
    offset = (MARGIN * side * (1 + shake)).round()
    left, up = int(offset[0]), int(offset[1])
    picture = table.crop((left, up, left + side, up + side))
    action = _current(script, time_sec)
    if action is not None:
        phase = (time_sec - action.time_sec) / action.duration_sec + 0.5
        is_motion = action.verb in MOTIONS
        dx, dy, scale, angle = drift(action.verb, phase, action.start) if is_motion else pose(action.verb, phase)
        sway = -0.03 * side * shake
        center = (side * (0.5 + dx) + sway[0], side * (0.55 + dy) + sway[1])
        size = 0.17 * side * scale
        hands = ANY if is_motion else GRIPS[action.verb]
        draw = ImageDraw.Draw(picture)
        draw_arms(draw, hands, center, size, side)
        if action.change_sec is not None and time_sec >= action.change_sec:
            for side_of in (-APART, APART):
                half = (center[0] + side_of * size, center[1])
                _draw_object(draw, action.noun, colors[action.noun], half, 0.6 * size, angle + side_of)
        else:
            _draw_object(draw, action.noun, colors[action.noun], center, size, angle)
        draw_palms(draw, hands, center, size, side)
    return picture


def _current(script: Script, time_sec: float) -> Action | None:
    near = [a for a in script.actions if abs(a.time_sec - time_sec) < a.duration_sec / 2]
    return near[0] if near else None


def _draw_object(
    draw: ImageDraw.ImageDraw,
    noun: str,
    colors: tuple[tuple[int, ...], ...],
    center: tuple[float, float],
    size: float,
    angle: float,
) -> None:
    cos, sin = math.cos(angle), math.sin(angle)
    for outline, color in zip(SHAPES[noun], colors, strict=True):
        points = [(center[0] + size * (x * cos - y * sin), center[1] + size * (x * sin + y * cos)) for x, y in outline]
        draw.polygon(points, fill=color)
