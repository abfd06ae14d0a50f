"""Hold packets back until it is known which frames are displayed right before and right after each of them."""

from collections import deque
from collections.abc import Callable, Iterator

import av

# Packets come in decoding order. H.264 lets no frame be shown after more than 16 that are decoded later.
DEPTH = 32
HELD_BYTES = 64 << 20  # of packets that are passed over


class Lookahead:
    """Packets in decoding order; times are the stream's integer ticks."""

    def __init__(self, packets: Iterator[av.Packet]) -> None:
        """Read from the start of a file."""
        self._packets = packets
        self._queue: deque[av.Packet] = deque()
        self._behind: deque[int] = deque(maxlen=DEPTH)
        self._first_pts: int | None = None
        self._error: av.error.FFmpegError | None = None

    def next(self) -> av.Packet | None:
        """Return the next packet, None after the last; a reading error is raised once all before it have been given."""
        while len(self._queue) <= DEPTH and (packet := self._read()) is not None:
            # What is shown before the keyframe that reading began with refers to frames that were left out.
            if None in (packet.pts, self._first_pts) or packet.pts >= self._first_pts:
                self._queue.append(packet)
        if self._queue:
            packet = self._queue.popleft()
            if _is_displayed(packet):
                self._behind.append(packet.pts)
            return packet
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None

    def skip_to_entry(self, is_entry: Callable[[av.Packet], bool], is_past: Callable[[av.Packet], bool]) -> bool:
        """Stand at the last packet that `is_entry`, before the first that `is_past`; False, and stay, if there is none.

        Reads packets, decodes nothing, and holds those from that packet on. It stays too, or stands at an earlier one,
        where it would have to hold too much.
        """
        passed: list[av.Packet] = []
        found, held = False, 0
        while (packet := self._queue.popleft() if self._queue else self._read()) is not None:
            if not is_past(packet) and is_entry(packet):
                found, held, passed = True, 0, []
            passed.append(packet)
            held += packet.size
            if held > HELD_BYTES or is_past(packet):
                break
        self._queue.extendleft(reversed(passed))
        if found:
            self.begin_at(self._queue.popleft())
        return found

    def begin_at(self, packet: av.Packet | None) -> None:
        """Put back the keyframe that `next` gave last: decoding starts anew there."""
        self._behind.clear()
        self._first_pts = None if packet is None else packet.pts
        packets = [packet, *self._queue] if packet is not None else []
        self._queue = deque(p for p in packets if None in (p.pts, self._first_pts) or p.pts >= self._first_pts)

    def read_from(self, packets: Iterator[av.Packet]) -> None:
        """Read on from another place of the file."""
        self._packets, self._error = packets, None
        self._queue.clear()

    def _read(self) -> av.Packet | None:
        """Return the next packet of the file, None after the last; a reading error waits for its turn to be raised."""
        if self._error is None:
            try:
                return next(self._packets, None)
            except av.error.FFmpegError as error:
                self._error = error
        return None

    def displayed_around(self, packet: av.Packet) -> tuple[int, int] | None:
        """Return the times of the frames right before and after that of the packet `next` gave last, if both are known.

        `next` has given or holds all packets that can lie between them.
        """
        if packet.pts is None:
            return None
        times = [*self._behind, *(other.pts for other in self._queue if _is_displayed(other))]
        before = max((time for time in times if time < packet.pts), default=None)
        after = min((time for time in times if time > packet.pts), default=None)
        return None if before is None or after is None else (before, after)


def _is_displayed(packet: av.Packet) -> bool:
    # An edit list can have a packet decoded, for others to refer to, and not shown.
    return packet.pts is not None and not packet.is_discard
