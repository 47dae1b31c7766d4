"""What a person sees of a calibration while it runs, on standard error."""

from __future__ import annotations

import math
import os
from time import monotonic
from typing import TextIO

from edge.text import printable

_INTERVAL = 0.2  # seconds between two drawings


class Progress:
    """One line for each finished stage, and on a terminal one that says how far the current is.

    Args:
        stream: Text, usually standard error.
        bar: Whether to redraw a line. None: where the stream is a terminal that can.
    """

    def __init__(self, stream: TextIO, *, bar: bool | None = None) -> None:
        self._stream = stream
        able = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = able if bar is None else bar
        self._stage = ""
        self._start = 0.0
        self._drawn = -math.inf
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Say that so much of a stage is done; a new name ends the stage before it."""
        now = monotonic()
        if stage != self._stage:
            self.finish()
            self._stage, self._start, self._drawn = stage, now, -math.inf
        if self._bar and now - self._drawn >= _INTERVAL:
            self._drawn = now
            line = progress_line(stage, done, total, now - self._start)
            self._write(f"\r{printable(line)[:100]}\x1b[K")

    def say(self, text: str) -> None:
        """One line that stays."""
        self._write(f"{self._clear()}{printable(text)}\n")

    def finish(self) -> None:
        """End the current stage."""
        if self._stage:
            taken = monotonic() - self._start
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + taken
            self._write(f"{self._clear()}{printable(self._stage):44} {taken:7.1f} s\n")
            self._stage = ""

    def stop(self) -> None:
        """Take the line away, without a word: something ended the work."""
        self._stage = ""
        self._write(self._clear())

    def _clear(self) -> str:
        return "\r\x1b[K" if self._bar else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def progress_line(stage: str, done: int, total: int, seconds: float) -> str:
    """What the line says after so many parts and seconds."""
    if not total:
        return stage
    left = f", {(total - done) * seconds / done:.0f} s left" if 0 < done < total else ""
    return f"{stage}: {done}/{total}{left}"
