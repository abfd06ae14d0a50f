"""Let one bad video cost only its own clips, though C code that hangs or crashes takes its process with it.

A hang: a thread sees that no frame and no clip has come for `stall_sec`, notes the video and the clips that were whole,
and ends the process. A crash cannot be seen from inside: a task whose process has died several times is careful, and
notes each video before it opens it. The shard's next attempt finds the note, cuts the clips that were whole and gives
the others up. What a note says depends on the video alone, so every run that meets the video writes the same bytes.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from egocurate.shards.video.cut import ClipWindow, EncodedClip, Failure
from egocurate.storage.atomic import atomic_write
from egocurate.storage.paths import AnyPath

HUNG, CRASHED = "decoder hung", "decoder crashed"
EXIT_HUNG = 75  # EX_TEMPFAIL: the same task, sent again, gets further
LOOKS = 20  # how often the beats are counted within `stall_sec`

Results = Iterable[tuple[str, EncodedClip | Failure]]
Cut = Callable[[list[ClipWindow], Callable[[], None]], Results]
"""Called as `cut(windows, beat)`; calls `beat` for every frame and yields each clip's key and result."""


class Watchdog:
    """Calls `on_stall` and ends this process when `beat` has not been called for `stall_sec` of its own waiting.

    Looks are counted, not the clock: a machine or a process that was suspended has not hung.
    """

    def __init__(self, stall_sec: float, on_stall: Callable[[], None]) -> None:
        """Begin with `with`."""
        self._pause, self._on_stall = stall_sec / LOOKS, on_stall
        self._beats = 0
        self._resting = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def beat(self) -> None:
        """Say that there is progress; costs next to nothing."""
        self._beats += 1
        self._resting = False

    def rest(self) -> None:
        """Stop watching until the next beat: what comes now is not the decoder's doing."""
        self._resting = True

    def __enter__(self) -> "Watchdog":
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen, idle = -1, 0
        while not self._over.wait(self._pause):
            idle = idle + 1 if self._beats == seen and not self._resting else 0
            seen = self._beats
            if idle >= LOOKS:
                self._on_stall()
                os._exit(EXIT_HUNG)


@dataclass(frozen=True)
class Guard:
    """Watches over the decoding of one shard; `notes` is the file that its attempts leave for the next."""

    notes: AnyPath
    stall_sec: float
    careful: bool

    def cut(self, uid: str, windows: list[ClipWindow], cut: Cut) -> Iterator[tuple[str, EncodedClip | Failure]]:
        """Yield what `cut` yields for the windows of a video, less what an earlier attempt could not get."""
        reason, whole = self._read().get(uid, (None, []))
        if reason is not None:
            left = [window for window in windows if window[0] in whole]
            lost = [window[0] for window in windows if window[0] not in whole]
            detail = f"{len(left)} of its {len(windows)} clips in this shard came before"
            yield from ((key, Failure(reason, detail)) for key in lost)
            windows = left
        if windows:
            yield from self._watched(uid, windows, cut)

    def _watched(self, uid: str, windows: list[ClipWindow], cut: Cut) -> Iterator[tuple[str, EncodedClip | Failure]]:
        whole: list[str] = []
        before = self._read()
        if self.careful:
            self._note(uid, CRASHED, whole)
        with Watchdog(self.stall_sec, lambda: self._note(uid, HUNG, whole)) as watchdog:
            for key, result in cut(windows, watchdog.beat):
                watchdog.rest()
                whole.append(key)
                if self.careful:
                    self._note(uid, CRASHED, whole)
                yield key, result
                watchdog.beat()
        if self.careful:
            self._write(before)

    def clear(self) -> None:
        """Remove the notes: the shard is written."""
        self.notes.unlink(missing_ok=True)

    def _note(self, uid: str, reason: str, whole: list[str]) -> None:
        self._write(self._read() | {uid: (reason, list(whole))})

    def _read(self) -> dict[str, tuple[str, list[str]]]:
        return json.loads(self.notes.read_bytes()) if self.notes.exists() else {}

    def _write(self, notes: dict[str, tuple[str, list[str]]]) -> None:
        atomic_write(self.notes, lambda file: file.write(json.dumps(notes).encode()))
