"""What a person sees while it runs, on standard error."""

from __future__ import annotations

import os
import shutil
import time
from typing import TextIO

from edge.redaction import redacted
from edge.text import printable
from edge.types import Event, Failure, Result

_INTERVAL = 0.1  # seconds between two drawings
_BAR = 24  # characters


class Progress:
    """A line that is redrawn on a terminal, and one line for each failure and event anywhere.

    No colors: there is nothing for NO_COLOR to switch off.

    Args:
        stream: Text, usually standard error.
        count: Frames to come, where that is known.
        bar: Whether to redraw a line. None: where the stream is a terminal that can.
    """

    def __init__(self, stream: TextIO, count: int | None, *, bar: bool | None = None) -> None:
        self._stream = stream
        self._count = count
        able = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = able if bar is None else bar
        self._done = 0
        self._start = time.monotonic()
        self._drawn = -_INTERVAL

    def write(self, result: Result) -> None:  # noqa: ARG002 - protocol
        """Count a frame."""
        self._advance()

    def write_failure(self, failure: Failure) -> None:
        """Count a frame, and say why it is missing."""
        self._say(f"{failure.source}: {failure.reason}")
        self._advance()

    def event(self, event: Event) -> None:
        """Say what happened, unless what follows says it too."""
        if event.name in ("connecting", "stopping"):
            return
        about = f"{event.subject}: {event.name}"
        self._say(f"{about}: {event.reason}" if event.reason else about)

    def close(self) -> None:
        """Take the line away; a summary may follow."""
        self._erase()
        self._bar = False

    def _say(self, text: str) -> None:
        self._erase()
        self._stream.write(printable(redacted(text)) + "\n")
        self._stream.flush()
        self._drawn = -_INTERVAL

    def _advance(self) -> None:
        self._done += 1
        now = time.monotonic() - self._start
        if self._bar and now - self._drawn >= _INTERVAL:
            self._drawn = now
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{progress_line(self._done, self._count, now)[:width]}\x1b[K")
            self._stream.flush()

    def _erase(self) -> None:
        if self._bar:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(done: int, count: int | None, seconds: float) -> str:
    """What the line says after so many frames and seconds."""
    rate = f"{done / seconds:.1f} frames/s" if seconds > 0 else ""
    if not count:
        return f"{done} frames  {rate}"
    share = min(1.0, done / count)  # a video's header may promise too little
    full = round(share * _BAR)
    left = f"  {max(0, count - done) * seconds / done:.0f} s left"
    return f"[{'#' * full}{'.' * (_BAR - full)}] {done}/{count} frames  {rate}{left}"
