import io
import json
import sys

import pytest
from rich.console import Console

from egocurate.console import print_summary, progress, screen
from egocurate.progress import Stage, StageClock, describe, fitted, in_words
from egocurate.progress_bars import StageBars


def test_short_stages_stay_quiet_where_there_is_no_terminal(capsys):
    with progress() as report:
        report("read", 0, 10)
        report("read", 10, 10)
    assert capsys.readouterr().err == ""


def test_long_stages_give_lines_with_rate_and_time_left(capsys, monkeypatch):
    clock = iter([0.0, 12.0, 13.0, 24.0])
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    with progress() as report:
        for done in (0, 50, 60, 100):
            report("cut", done, 100)
    assert capsys.readouterr().err.splitlines() == ["cut: 50 of 100, 4.2/s, 12 s left", "cut: 100 of 100, 4.2/s"]


def test_a_stage_of_one_step_needs_no_line(capsys, monkeypatch):
    clock = iter([0.0, 4.0])
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    with progress() as report:
        report("starting Ray", 0, 1)
        report("starting Ray", 1, 1)
    assert capsys.readouterr().err == ""


def test_a_long_stage_of_one_step_is_named_alone(capsys, monkeypatch):
    clock = iter([0.0, 12.0, 14.0])
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    with progress() as report:
        report("starting Ray", 0, 1)
        report("starting Ray", 0, 1)
        report("starting Ray", 1, 1)
    assert capsys.readouterr().err == "starting Ray\n"


def test_a_stage_that_starts_over_is_timed_anew(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 100.0, 105.0])
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    with progress() as report:
        for done in (0, 10, 0, 10):
            report("EgoMCQ", done, 10)
    assert capsys.readouterr().err.splitlines() == ["EgoMCQ: 10 of 10, 2.5/s", "EgoMCQ: 10 of 10, 2.0/s"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def spoken(monkeypatch, stdout):
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with screen() as (say, report):
        for done in range(4):
            report("train", done, 4)
        say("step 3/4  loss 1.0000  [not markup]" + " and on" * 20)
        report("EgoMCQ", 8, 8)
        report("EgoMCQ", 2, 8)
        report("train", 4, 4)
    return stdout.getvalue()


def test_on_a_terminal_one_line_is_rewritten(monkeypatch):
    shown = spoken(monkeypatch, Terminal())
    assert "[not markup]" + " and on" * 20 + "\n" in shown  # never wrapped
    assert "4 of 4" in shown
    assert "\x1b[2K" in shown  # a line wiped
    assert shown.rstrip("\n").endswith(("\x1b[2K", "\x1b[?25h"))  # and nothing of it stays


def test_elsewhere_lines_are_plain(monkeypatch):
    shown = spoken(monkeypatch, io.StringIO())
    assert shown == "step 3/4  loss 1.0000  [not markup]" + " and on" * 20 + "\n"


def test_a_stage_that_another_run_began_is_timed_by_what_this_one_does(monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    stage = StageClock()
    for done in (500, 520):
        stage.add(done)
    assert describe("train", 520, 600, stage.rate) == "520 of 600, 2.0/s, 40 s left"


def test_the_rate_is_that_of_the_last_minute(monkeypatch):
    clock = iter(range(0, 200, 20))
    monkeypatch.setattr("egocurate.progress.time.monotonic", lambda: next(clock))
    stage = StageClock()
    for done in (0, 1, 2, 3, 103, 203, 303, 403):
        stage.add(done)
    assert stage.rate == pytest.approx(5.0)
    assert stage.seconds == 140


def test_a_stage_speaks_for_itself_where_it_has_a_note():
    assert describe(Stage("cut", "3.0 clips/s, 5 min left"), 3, 9, 100.0) == "3 of 9, 3.0 clips/s, 5 min left"
    assert describe(Stage("waiting", "others have 3 to go"), 0, 0, 0.0) == "others have 3 to go"


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (80, "1,000 of 3,847,723, 107.5 clips/s, 12.3 h of video/h, 2 failed, 3 h 05 min left"),
        (70, "1,000 of 3,847,723, 107.5 clips/s, 2 failed, 3 h 05 min left"),
        (50, "1,000 of 3,847,723, 2 failed, 3 h 05 min left"),
        (40, "1,000 of 3,847,723, 3 h 05 min left"),
        (10, "1,000 of 3,847,723, 3 h 05 min left"),
    ],
)
def test_of_long_words_those_in_the_middle_go_first(room, words):
    assert fitted("1,000 of 3,847,723, 107.5 clips/s, 12.3 h of video/h, 2 failed, 3 h 05 min left", room) == words


def test_times_are_in_words():
    assert [in_words(seconds) for seconds in (0.4, 99, 100, 3540, 11_100)] == [
        *("0 s", "99 s", "2 min", "59 min", "3 h 05 min")
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_bars_show_long_stages_whole_and_one_time_left(monkeypatch, width):
    console = Console(file=Terminal(), width=width, force_terminal=True, color_system=None)
    bars = StageBars(console, quiet_sec=0.0)
    note = "4.2 clips/s, 3.1 h of video/h, 2 failed, 12 min left"
    bars.report(Stage("cutting clips", note), 1234, 56789)
    bars.report("tag", 10, 100)
    lines = _drawn(bars, width)
    words = " ".join(" ".join(lines).split())
    assert "1,234 of 56,789, " in words and "12 min left" in words and "…" not in words
    assert words.count("left") == 1
    assert len(lines) == 2 and all(len(line.rstrip()) <= width for line in lines)
    assert ("━" in words) == (width > 80)
    assert "tag" in words and "10 of 100" in words


def test_a_bar_of_a_short_stage_does_not_show():
    console = Console(file=Terminal(), width=80, force_terminal=True)
    bars = StageBars(console, quiet_sec=2.0)
    bars.report("read", 1, 10)
    assert "read" not in " ".join(_drawn(bars, 80))
    bars.tasks[0].start_time -= 3.0  # it takes long, and has not reported since
    assert "read" in " ".join(_drawn(bars, 80))


def _drawn(bars, width):
    out = Console(file=io.StringIO(), width=width, color_system=None)
    for renderable in bars.get_renderables():
        out.print(renderable)
    return out.file.getvalue().splitlines()


def test_results_that_are_piped_are_not_drawn_on_the_terminal(monkeypatch):
    terminal, piped = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", piped)
    monkeypatch.setenv("TERM", "xterm")
    with progress() as report:
        report("EgoMCQ", 1, 2)
        print("inter 20.0 %")
    assert piped.getvalue() == "inter 20.0 %\n"
    assert "inter" not in terminal.getvalue()


def test_the_summary_is_a_table_or_one_json_object(capsys):
    rows = {"clips": 1234, "rejected": {"min_words": 5}, "rate": 1.25}
    print_summary("EgoClip", rows, as_json=True)
    assert json.loads(capsys.readouterr().out) == rows
    print_summary("EgoClip", rows, as_json=False)
    out = capsys.readouterr().out
    assert "1,234" in out
    assert "min words" in out


def test_a_summary_tells_no_secret(capsys):
    rows = {
        "out": "s3://key:pa55word@bucket/out",
        "from": {"clips": "https://h/a?sig=pa55word"},
        "lines": ["s3://pa55word@b"],
    }
    for as_json in (True, False):
        print_summary("EgoClip", rows, as_json)
        out = capsys.readouterr().out
        assert "pa55word" not in out and "s3://REDACTED@bucket/out" in out


def test_what_is_empty_is_said_to_be_none(capsys):
    print_summary("EgoClip", {"clips": 3, "rejected": {}, "notes": []}, as_json=False)
    lines = capsys.readouterr().out.split("\n")[2:-1]
    assert [line.split() for line in lines] == [["clips", "3"], ["rejected", "none"], ["notes", "none"]]
