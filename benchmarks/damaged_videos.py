"""One bit flips in a source video: how often cutting notices, and how often a clip is stored that shows something else.

Prints the table of docs/formats.md: `python -m benchmarks.damaged_videos`. Packets alone are damaged, in one GOP of the
video; each file is cut into clips that cover all of it.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from pathlib import Path

import av
import numpy as np

from egocurate.shards.profiles import Pictures, Profile
from egocurate.shards.video.cut import EncodedClip, cut_clips

FLIPS, FRAMES, RATE, SIZE = 80, 60, 30, (192, 128)
WINDOWS = [(f"{n}", n / 4, (n + 1) / 4) for n in range(8)]
EVERY_FRAME = Profile("every frame", None, None, Pictures("webp", 100))
X264 = {"g": "30", "bf": "2"}
X265 = "keyint=30:bframes=3:open-gop=0:log-level=none"
VPX = {"g": "30", "cpu-used": "8", "deadline": "realtime"}
KINDS = {
    "H.264, CABAC": ("libx264", "mp4", X264 | {"preset": "veryfast"}),
    "H.264, CAVLC": ("libx264", "mp4", X264 | {"preset": "ultrafast"}),
    "HEVC": ("libx265", "mp4", {"preset": "ultrafast", "x265-params": X265}),
    "HEVC with checksums (SEI)": ("libx265", "mp4", {"preset": "ultrafast", "x265-params": f"{X265}:hash=1"}),
    "VP9": ("libvpx-vp9", "webm", VPX),
    "VP8": ("libvpx", "webm", VPX),
    "AV1": ("libsvtav1", "mp4", {"preset": "12", "g": "30"}),
    "MPEG-4 part 2": ("mpeg4", "mp4", {"g": "30", "bf": "2", "b": "1M"}),
    "MPEG-2": ("mpeg2video", "mkv", {"g": "30", "bf": "2", "b": "1M"}),
    "Motion JPEG": ("mjpeg", "mov", {}),
}


def write_video(path: Path, codec: str, options: dict[str, str]) -> None:
    """Write a video of blocks of color that move and change."""
    rng = np.random.default_rng(0)
    wall = rng.integers(0, 255, (16, 40, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        for n in range(FRAMES):
            picture = np.ascontiguousarray(wall[n : n + SIZE[1], 3 * n : 3 * n + SIZE[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # libsvtav1 makes a process of root a real-time one


def clips_of(path: Path) -> dict[str, str | None]:
    """Return a digest of each clip's frames, None for a clip that was given up."""
    return {
        key: hashlib.sha256(b"".join(clip.members)).hexdigest() if isinstance(clip, EncodedClip) else None
        for key, clip in cut_clips(path, WINDOWS, EVERY_FRAME)
    }


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return where each packet of the video stands in its file: (offset, size)."""
    data = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [(packet.pos, bytes(packet)) for packet in container.demux(video=0) if packet.size]
    return [(data.index(content, max(0, at)), len(content)) for at, content in packets]


def count_flips(whole: Path, broken: Path, flips: int) -> tuple[int, int, int]:
    """Return of so many bit flips how many left clips as they were, cost clips, and stored a clip that is another."""
    expected, places, data = clips_of(whole), packet_places(whole), whole.read_bytes()
    same = noticed = other = 0
    for number in range(flips):
        rng = random.Random(number)
        at, size = rng.choice(places)
        changed = bytearray(data)
        changed[at + rng.randrange(size)] ^= 1 << rng.randrange(8)
        broken.write_bytes(changed)
        found = clips_of(broken)
        noticed += any(found[key] is None and expected[key] is not None for key in found)
        other += any(found[key] not in (None, expected[key]) for key in found)
        same += found == expected
    return same, noticed, other


def main() -> None:
    """Print the table."""
    av.logging.set_level(av.logging.PANIC)
    print("| codec | flips | no clip changes | noticed | a clip is stored that shows something else |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, container, options) in KINDS.items():
            whole, broken = (Path(folder) / f"{n}.{container}" for n in ("whole", "broken"))
            write_video(whole, codec, options)
            same, noticed, other = count_flips(whole, broken, FLIPS)
            print(f"| {name} | {FLIPS} | {same} | {noticed} | {other} |", flush=True)


if __name__ == "__main__":
    main()
