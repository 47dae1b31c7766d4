from __future__ import annotations

import io

import pytest

from calibration.workflow.progress import Progress, progress_line


def test_the_line_says_how_long_it_will_take():
    assert progress_line("search", 5, 20, 10.0) == "search: 5/20, 30 s left"
    assert progress_line("search", 0, 20, 0.1) == "search: 0/20"
    assert progress_line("search", 20, 20, 40.0) == "search: 20/20"
    assert progress_line("read", 0, 0, 1.0) == "read"


def test_every_stage_leaves_one_line_and_its_time():
    stream = io.StringIO()
    progress = Progress(stream, bar=False)
    progress("observe", 1, 2)
    progress("observe", 2, 2)
    progress.say("note: few\x1b images")
    progress("search", 1, 1)
    progress.finish()
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["note:", "observe", "search"]
    assert "\x1b" not in stream.getvalue()
    assert list(progress.seconds) == ["observe", "search"]


def test_a_terminal_sees_a_line_that_is_redrawn():
    stream = io.StringIO()
    progress = Progress(stream, bar=True)
    progress("observe", 1, 2)
    progress.stop()
    assert stream.getvalue() == "\robserve: 1/2, 0 s left\x1b[K\r\x1b[K"
    assert progress.seconds == {}


@pytest.mark.parametrize("now", [0.0, 0.3, 100.0, 1e6])
def test_a_stage_is_drawn_at_once_and_then_now_and_then(now, monkeypatch):
    monkeypatch.setattr("calibration.workflow.progress.monotonic", lambda: now)
    stream = io.StringIO()
    progress = Progress(stream, bar=True)
    progress("observe", 1, 9)
    now += 0.1
    progress("observe", 2, 9)  # too soon
    now += 0.2
    progress("observe", 3, 9)
    progress("search", 1, 2)
    progress.stop()
    drawn = [part.partition("/")[0] for part in stream.getvalue().split("\r") if "/" in part]
    assert drawn == ["observe: 1", "observe: 3", "search: 1"]
