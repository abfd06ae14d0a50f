"""Read the frames of a video in order, jumping over stretches that nobody needs.

A jump ends where it is certain which frames follow: at a packet that decoding may begin at (`nal_units`), found by
the table of an mp4 file, elsewhere by reading all packets up to it. Other containers know places of packets only about.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import dropwhile

import av
from av.stream import Discard

from egocurate.shards.video.cut_stats import CutStats
from egocurate.shards.video.packets.lookahead import Lookahead
from egocurate.shards.video.packets.nal_units import entry_test, reference_test
from egocurate.shards.video.strict_decoder import strict_decoder
from egocurate.storage.open_video import open_video, video_stream
from egocurate.storage.paths import AnyPath

# A file whose frames stop this much before the length in its header has been cut short on the way here.
MISSING_TAIL_SECONDS = 1
BEFORE_ALL = -(1 << 40)  # in any ticks, earlier than any packet

Needed = Callable[[Fraction, Fraction, Fraction], bool]
"""Called as `needed(before, time, after)` with the times of a frame and of those shown right before and after it."""


class BrokenStretch(Exception):  # noqa: N818 (a stretch of the video, not a fault of the program)
    """Frames from here to `until` (seconds; None: to the end) cannot be decoded."""

    def __init__(self, detail: str, until: Fraction | None) -> None:
        """Say what the decoder said and where decoding goes on."""
        super().__init__(detail)
        self.until = until


class VideoReader:
    """The best video stream of a file; times are exact seconds on the container's clock.

    The clock of an mp4 file begins at 0, that of other containers, which may show any time, at their first packet.
    One thread does it all. Frames that are not `needed` may be left out where no other frame depends on them.
    """

    def __init__(self, path: AnyPath, stats: CutStats | None = None) -> None:
        """Open `path`, to add to `stats`; raises OSError or av.error.FFmpegError."""
        self.needed: Needed = lambda before, time, after: True
        self._stats = CutStats() if stats is None else stats
        self._files = ExitStack()
        with self._files:
            self._container = self._files.enter_context(open_video(path))
            self._stream = video_stream(self._container)
            for other in self._container.streams:
                if other is not self._stream:
                    other.discard = Discard.all
            # Decode through a second opening: a seek resets its own container's decoder, and then a seek that turns out
            # to gain nothing could not be taken back.
            self._decoder = strict_decoder(self._files.enter_context(open_video(path)))
            _check_times_are_told(self._container, self._decoder)
            self._files = self._files.pop_all()
        self._tick = Fraction(self._stream.time_base)
        self._can_seek = "mp4" in self._container.format.name.split(",")
        self._origin = Fraction(0) if self._can_seek else _first_time(self._container)
        self._may_begin = entry_test(self._decoder.name, self._decoder.extradata)
        self._is_referred_to = reference_test(self._decoder.name, self._decoder.extradata)
        self._lookahead = Lookahead(_with_bytes(self._container.demux(self._stream)))
        self._decoded: deque[av.VideoFrame] = deque()
        self._fed_dts: int | None = None
        self._last_time: Fraction | None = None
        self._ended = False
        self.end: Fraction | None = None

    @property
    def rate(self) -> Fraction:
        """Average frames per second of the stream."""
        stream = self._stream
        return Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 30)

    @property
    def seconds(self) -> Fraction:
        """Time on the container's clock at which the video ends by its header; 0 if the header does not say."""
        if self._stream.duration is not None:
            return self._time(self._stream.duration + (self._stream.start_time or 0))
        return Fraction(self._container.duration or 0, av.time_base)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height."""
        return Fraction(self._stream.sample_aspect_ratio or 1)

    def close(self) -> None:
        """Close the file; frames already read stay valid."""
        self._files.close()

    def __enter__(self) -> "VideoReader":
        """Return the open video."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def skip_to(self, start: Fraction) -> bool:
        """Go on at the last entry point at or before `start` if that lies ahead, else stay; tell whether it jumped.

        Raises BrokenStretch.
        """
        try:
            jumped = self._seek_to(start) if self._can_seek else self._read_up_to(start)
        except av.error.FFmpegError as error:
            raise BrokenStretch(f"seek to {float(start):.3f} s: {error}", None) from error
        self._stats.jumps += jumped
        return jumped

    def read(self) -> tuple[Fraction, av.VideoFrame] | None:
        """Return the next frame and its time, None after the last; reading may go on after a BrokenStretch."""
        while True:
            if not self._decoded and not self._ended:
                self._decode_some()
                continue
            if not self._decoded:
                self._check_tail()
                return None
            frame = self._decoded.popleft()
            if frame.is_corrupt:
                # The decoder has filled damaged parts with invented pixels, and the frames that follow build on them.
                self._jump_over(f"corrupt frame after {self._where()}")
            if frame.pts is None:
                self._jump_over(f"a frame without a time after {self._where()}")
            time = self._time(frame.pts)
            if self._last_time is not None and time < self._last_time:
                self._jump_over(f"frames in another order than their times after {self._where()}")
            if time == self._last_time:
                continue
            self._last_time = time
            self.end = time + (frame.duration * self._tick if frame.duration else 1 / self.rate)
            return time, frame

    def _time(self, stamp: int) -> Fraction:
        return stamp * self._tick - self._origin

    def _seek_to(self, start: Fraction) -> bool:
        first, packets = self._seek(start)
        if first is not None and not self._may_begin(first):
            # What this file marks as keyframes is not enough to begin at: read it from its start from now on.
            self._can_seek = False
            self._container.seek(BEFORE_ALL, stream=self._stream, backward=True)
            self._lookahead.read_from(self._not_yet_fed(_with_bytes(self._container.demux(self._stream))))
            return self._read_up_to(start)
        if self._fed_dts is None or (first is not None and first.dts is not None and first.dts > self._fed_dts):
            self._lookahead.read_from(packets)
            self._restart_at(first)
            return True
        # The decoder stands inside this group of pictures: let it go on from the packet after its last.
        self._lookahead.read_from(self._not_yet_fed(packets))
        return False

    def _not_yet_fed(self, packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
        fed = self._fed_dts
        return dropwhile(lambda packet: None not in (fed, packet.dts) and packet.dts <= fed, packets)

    def _read_up_to(self, start: Fraction) -> bool:
        def is_past(packet: av.Packet) -> bool:
            stamp = packet.dts if packet.pts is None else packet.pts
            return stamp is None or self._time(stamp) > start

        if not self._lookahead.skip_to_entry(self._may_begin, is_past):
            return False
        self._restart()
        return True

    def _seek(self, start: Fraction) -> tuple[av.Packet | None, Iterator[av.Packet]]:
        """Return the last keyframe at or before `start`, else the file's first packet; and the packets after it."""
        target, before = int(start // self._tick), None
        while True:
            self._container.seek(target, stream=self._stream, backward=True)
            packets = _with_bytes(self._container.demux(self._stream))
            first = next(packets, None)
            if first is None or first.dts is None or (before is not None and first.dts >= before):
                return first, packets  # the file's first
            if first.pts is not None and self._time(first.pts) <= start:
                return first, packets
            # Seeking goes by decoding time, which is earlier than the time on screen: step back one keyframe.
            before = first.dts
            target = first.dts - 1

    def _restart_at(self, packet: av.Packet | None) -> None:
        self._lookahead.begin_at(packet)
        self._restart()

    def _restart(self) -> None:
        self._decoder.flush_buffers()
        self._decoded.clear()
        self._ended = False

    def _decode_some(self) -> None:
        try:
            packet = self._lookahead.next()
            if packet is None:
                self._ended = True
            else:
                self._fed_dts = self._fed_dts if packet.dts is None else packet.dts
                if not self._is_needed(packet):
                    return
            self._decoded.extend(self._decode(packet))
        except av.error.FFmpegError as error:
            self._jump_over(f"{error} after {self._where()}")

    def _decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        if packet is not None:
            self._stats.packets += 1
        frames = self._decoder.decode(packet)
        self._stats.decoded += len(frames)
        return frames

    def _is_needed(self, packet: av.Packet) -> bool:
        if self._is_referred_to is None or self._is_referred_to(memoryview(packet)):
            return True
        neighbors = self._lookahead.displayed_around(packet)
        if neighbors is None:
            return True
        before, time, after = (self._time(pts) for pts in (neighbors[0], packet.pts, neighbors[1]))
        return self.needed(before, time, after)

    def _jump_over(self, detail: str) -> None:
        """Place reading at the next packet that decoding may begin at, and raise BrokenStretch."""
        packet = None
        try:
            packet = self._lookahead.next()
            while packet is not None and not (packet.pts is not None and self._may_begin(packet)):
                packet = self._lookahead.next()
        except av.error.FFmpegError as error:
            detail = f"{detail}; {error}"
        self._restart_at(packet)
        self._ended = packet is None
        raise BrokenStretch(detail, None if packet is None else self._time(packet.pts))

    def _check_tail(self) -> None:
        stream = self._stream
        if stream.duration is None:
            return
        promised = self._time(stream.duration + (stream.start_time or 0))
        if self.end is None or self.end < promised - MISSING_TAIL_SECONDS:
            raise BrokenStretch(f"the file ends after {self._where()}, its header says {float(promised):.3f} s", None)

    def _where(self) -> str:
        return "its start" if self._last_time is None else f"{float(self._last_time):.3f} s"


def _with_bytes(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    # The demuxer marks the end of the file with an empty packet.
    return (packet for packet in packets if packet.size)


def _check_times_are_told(container: av.container.InputContainer, decoder: av.VideoCodecContext) -> None:
    """Raise OSError for a file that does not say when its frames are shown; FFmpeg would invent times for them."""
    if container.format.name == "avi" and decoder.name == "h264" and decoder.has_b_frames:
        raise OSError("an avi file does not say when H.264's B-frames are shown; put the video into mp4")


def _first_time(container: av.container.InputContainer) -> Fraction:
    starts = [one.start_time * one.time_base for one in container.streams if one.start_time is not None]
    return Fraction(min(starts, default=0))
