"""Encode the frames of a clip as pictures, the same bytes for the same frames every time."""

import io

import av
from av.filter import Graph
from PIL import Image

from egocurate.shards.profiles import Pictures

FORMATS = {"jpg": "JPEG", "webp": "WEBP"}
# Four chroma samples as one, as in the video that they come from; the tables of the JPEG standard.
SETTINGS = {"jpg": {"subsampling": "4:2:0", "optimize": False}, "webp": {"method": 4}}


class PictureEncoder:
    """JPEG or WebP by Pillow, one file per frame."""

    def __init__(self, codec: Pictures) -> None:
        """Take the size from the first frame that comes."""
        self.frame_count = 0
        self._codec = codec
        self._pictures: list[bytes] = []
        self._to_rgb: Graph | None = None

    def add(self, frame: av.VideoFrame) -> None:
        """Append a frame in BT.601 limited range."""
        self._to_rgb = self._to_rgb or _rgb_graph(frame)
        self._to_rgb.vpush(frame)
        file = io.BytesIO()
        picture = Image.fromarray(self._to_rgb.vpull().to_ndarray())
        members = self._codec.members
        picture.save(file, FORMATS[members], quality=self._codec.quality, **SETTINGS[members])
        self._pictures.append(file.getvalue())
        self.frame_count += 1

    def finish(self) -> tuple[bytes, ...]:
        """Return the files, in the order of the frames."""
        return tuple(self._pictures)


def _rgb_graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    # Exact arithmetic: the fast paths of the scaler give other pixels on other processors.
    exact = "flags=bilinear+accurate_rnd+full_chroma_int+bitexact:in_range=limited:in_color_matrix=bt601"
    nodes = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
        graph.add("scale", exact),
        graph.add("format", "pix_fmts=rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph
