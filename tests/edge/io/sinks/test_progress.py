from __future__ import annotations

import io
import os
import pty

import pytest

from edge.io.sinks.progress import Progress, progress_line
from edge.types import Failure


def test_on_a_terminal_a_line_is_redrawn_and_taken_away(result, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with open(theirs, "w") as stream:  # noqa: PTH123 - a file descriptor
        sink = Progress(stream, count=2)
        sink.write(result())
        sink.close()
        text = ""
        while not text.endswith("\r\x1b[K"):  # a terminal hands on what it has so far
            text += os.read(ours, 10_000).decode()
    os.close(ours)
    assert "1/2 frames" in text
    assert text.startswith("\r")
    assert "\x1b[3" not in text  # no color


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_elsewhere_only_failures_are_written(result, monkeypatch, terminal):
    monkeypatch.setenv("TERM", terminal)
    stream = io.StringIO()
    sink = Progress(stream, count=2)
    sink.write(result())
    sink.write_failure(Failure(1, 0.0, "b.jpg", "not an image"))
    sink.close()
    assert stream.getvalue() == "b.jpg: not an image\n"


def test_a_failure_does_not_run_into_the_line(result):
    stream = io.StringIO()
    sink = Progress(stream, count=None, bar=True)
    sink.write(result())
    sink.write_failure(Failure(1, 0.0, "b.jpg", "broken"))
    assert "\r\x1b[Kb.jpg: broken\n\r2 frames" in stream.getvalue()


@pytest.mark.parametrize(
    ("done", "count", "seconds", "want"),
    [
        (5, None, 2.0, "5 frames  2.5 frames/s"),
        (5, 10, 2.0, "[############............] 5/10 frames  2.5 frames/s  2 s left"),
        (12, 10, 2.0, "[########################] 12/10 frames  6.0 frames/s  0 s left"),
    ],
)
def test_the_line_says_how_far_and_how_fast(done, count, seconds, want):
    assert progress_line(done, count, seconds) == want
