import json

from egocurate.console import print_summary, progress


def test_short_stages_stay_quiet_where_there_is_no_terminal(capsys):
    with progress() as report:
        report("read", 0, 10)
        report("read", 10, 10)
    assert capsys.readouterr().err == ""


def test_long_stages_give_lines_with_rate_and_time_left(capsys, monkeypatch):
    clock = iter([0.0, 12.0, 13.0, 24.0])
    monkeypatch.setattr("egocurate.console.time.monotonic", lambda: next(clock))
    with progress() as report:
        for done in (0, 50, 60, 100):
            report("cut", done, 100)
    assert capsys.readouterr().err.splitlines() == ["cut: 50 of 100, 4.2/s, 12 s left", "cut: 100 of 100, 4.2/s"]


def test_a_stage_of_one_step_needs_no_line(capsys, monkeypatch):
    clock = iter([0.0, 4.0])
    monkeypatch.setattr("egocurate.console.time.monotonic", lambda: next(clock))
    with progress() as report:
        report("starting Ray", 0, 1)
        report("starting Ray", 1, 1)
    assert capsys.readouterr().err == ""


def test_a_stage_that_starts_over_is_timed_anew(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 100.0, 105.0])
    monkeypatch.setattr("egocurate.console.time.monotonic", lambda: next(clock))
    with progress() as report:
        for done in (0, 10, 0, 10):
            report("EgoMCQ", done, 10)
    assert capsys.readouterr().err.splitlines() == ["EgoMCQ: 10 of 10, 2.5/s", "EgoMCQ: 10 of 10, 2.0/s"]


def test_the_summary_is_a_table_or_one_json_object(capsys):
    rows = {"clips": 1234, "rejected": {"min_words": 5}, "rate": 1.25}
    print_summary("EgoClip", rows, as_json=True)
    assert json.loads(capsys.readouterr().out) == rows
    print_summary("EgoClip", rows, as_json=False)
    out = capsys.readouterr().out
    assert "1,234" in out
    assert "min words" in out
