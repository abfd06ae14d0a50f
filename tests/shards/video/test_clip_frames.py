from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from egocurate.shards.video.clip_frames import FramePicker, FrameWindow, microseconds, pick_frames

MILLI = st.integers(0, 3000).map(lambda n: Fraction(n, 1000))
FPS = st.sampled_from([None, Fraction(1), Fraction(8), Fraction(30000, 1001), Fraction(240)])


def brute_force(times: list[Fraction], video_end: Fraction, window: FrameWindow) -> list[int]:
    """The rule word for word."""
    inside = [i for i, t in enumerate(times) if window.start <= t < window.end]
    if not inside:
        shown = [i for i, t in enumerate(times) if t <= window.start]
        left = times[shown[-1] + 1] if shown and shown[-1] + 1 < len(times) else video_end
        return shown[-1:] if shown and window.start < left else []
    if window.fps is None:
        return inside
    chosen: list[int] = []
    instant, i = window.start, 0
    while instant < window.end:
        later = [j for j in inside if times[j] >= instant]
        if later and later[0] not in chosen:
            chosen.append(later[0])
        i += 1
        instant = window.start + i / window.fps
    return chosen


@given(st.lists(MILLI, max_size=40, unique=True).map(sorted), MILLI, MILLI, FPS, st.integers(0, 200))
@example([Fraction(n, 30) for n in range(30)], Fraction(1, 30), Fraction(1, 2), Fraction(15), 33)
@example([Fraction(1)], Fraction(1), Fraction(1), Fraction(8), 33)
def test_function_and_stream_follow_the_rule(times, start, end, fps, last_duration):
    window = FrameWindow(start, end, fps)
    video_end = (times[-1] if times else Fraction(0)) + Fraction(last_duration, 1000)
    expected = brute_force(times, video_end, window)
    assert pick_frames(times, video_end, window) == expected

    picker = FramePicker(window)
    streamed = []
    for i, time in enumerate(times):
        already_done = picker.done
        if picker.accepts(time):
            assert not already_done
            streamed.append(i)
    inside = any(start <= time < end for time in times)
    assert streamed == (expected if inside else [])


def test_a_window_that_starts_on_a_frame_holds_it_and_one_that_ends_on_a_frame_does_not():
    times = [Fraction(n, 30) for n in range(300)]
    for n in range(0, 270, 7):
        window = FrameWindow.of(n / 30, (n + 15) / 30, 30)
        assert pick_frames(times, Fraction(10), window) == list(range(n, n + 15))


def test_windows_are_cut_to_whole_microseconds():
    assert microseconds(2 / 3) == 666_666
    assert FrameWindow.of(0.25, 1.0, 8) == FrameWindow(Fraction(1, 4), Fraction(1), Fraction(8))


@given(st.lists(MILLI, min_size=1, max_size=40, unique=True).map(sorted), MILLI, MILLI, FPS, st.integers(1, 200))
def test_what_a_window_holds_can_be_told_from_neighbours(times, start, end, fps, last_duration):
    window = FrameWindow(start, max(start, end), fps)
    video_end = times[-1] + Fraction(last_duration, 1000)
    following = [*times[1:], Fraction(1_000_000)]
    held = {
        i
        for i, (before, time, after) in enumerate(zip([-1, *times], times, following, strict=False))
        if window.holds(before, time, after)
    }
    expected = set(pick_frames(times, video_end, window))
    # What comes after the last frame is not known yet: a window may turn out to hold it, or nothing.
    assert expected <= held <= expected | {len(times) - 1}
