"""Bring source frames to the stored size, upright and in one color convention."""

import struct
from fractions import Fraction

import av
from av.filter import Graph

from egocurate.shards.profiles import Profile

# Names of AVColorSpace numbers; untagged video is read as BT.601, as every FFmpeg tool reads it.
MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
FULL_RANGE = 2
Steps = list[tuple[str, str]]
# Filters that do what a display matrix asks for, by the signs of (a, b, c, d): a pixel at (x, y) is to be shown at
# (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12, 8.3.2).
TURNS = {
    (-1, 0, 0, 1): [("hflip", "")],
    (1, 0, 0, -1): [("vflip", "")],
    (-1, 0, 0, -1): [("hflip", ""), ("vflip", "")],
    (0, 1, 1, 0): [("transpose", "cclock_flip")],
    (0, 1, -1, 0): [("transpose", "clock")],
    (0, -1, 1, 0): [("transpose", "cclock")],
    (0, -1, -1, 0): [("transpose", "clock_flip")],
}


def stored_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Return the even (width, height) of the stored video for a picture of the given pixels; never larger than it."""
    scale = Fraction(1) if short_side is None else min(Fraction(1), Fraction(short_side, min(width, height)))
    # The nearest even number, but never above the source's own pixels.
    wide, high = (max(2, 2 * min(round(side * scale / 2), side // 2)) for side in (width, height))
    return wide, high


class FrameScaler:
    """Crops the left half of side-by-side stereo, turns, squares the pixels and scales; one size for a whole video.

    All output is yuv420p in BT.601 limited range, so that decoders that ignore color tags show the same pixels.
    """

    def __init__(self, profile: Profile, *, left_half: bool) -> None:
        """Take the size from the first frame that comes."""
        self._short_side = profile.short_side
        self._left_half = left_half
        self.size: tuple[int, int] = (0, 0)
        self._graph: Graph | None = None
        self._geometry: tuple = ()

    def scale(self, frame: av.VideoFrame, pixel_aspect: Fraction) -> av.VideoFrame:
        """Return the stored picture of a source frame; the source frame stays as it was."""
        geometry = (frame.width, frame.height, frame.format.name, frame.color_range, frame.colorspace, frame.rotation)
        if self._graph is None or geometry != self._geometry:
            # Once, not for every frame: reading it makes a frame part of a cycle, and so keep its memory for a while.
            turn = TURNS.get(_display_signs(frame), [])
            self._graph, self._geometry = self._build(frame, pixel_aspect, turn), geometry
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: av.VideoFrame, pixel_aspect: Fraction, turn: Steps) -> Graph:
        width = frame.width // 2 if self._left_half else frame.width
        upright = (max(1, round(width * pixel_aspect)), frame.height)
        if any(name == "transpose" for name, _ in turn):
            upright = upright[::-1]
        if not any(self.size):
            self.size = stored_size(*upright, self._short_side)
        full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
        steps = [("crop", f"{width}:{frame.height}:0:0")] if self._left_half else []
        steps += turn
        # Exact arithmetic: the fast paths of the scaler give other pixels on other processors. Where the matrix changes
        # frames go through RGB, and with half of the chroma there all colors would be two levels too dark.
        scale = (
            f"w={self.size[0]}:h={self.size[1]}:flags=area+accurate_rnd+bitexact+full_chroma_int:"
            f"in_range={'full' if full else 'limited'}:out_range=limited:"
            f"in_color_matrix={MATRICES.get(frame.colorspace, 'bt601')}:out_color_matrix=bt601"
        )
        steps += [("scale", scale), ("format", "pix_fmts=yuv420p"), ("buffersink", "")]
        graph = Graph()
        graph.threads = 1
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            )
        ]
        nodes += [graph.add(name, arguments or None) for name, arguments in steps]
        graph.link_nodes(*nodes).configure()
        return graph


def _display_signs(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return the signs of (a, b, c, d) of a frame's display matrix, of any angle the nearest quarter turn."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = struct.unpack("<9i", bytes(data))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    return tuple((value > 0) - (value < 0) for value in (a, b, c, d))
