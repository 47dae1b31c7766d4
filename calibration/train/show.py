"""The course of a training on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.train.loop import Progress


class Show:
    """A line that is redrawn on a terminal, and one line for each epoch anywhere."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._live = sys.stderr.isatty()

    def progress(self, at: Progress) -> None:
        """Redraw the line, on a terminal."""
        if self._live:
            losses = " ".join(f"{name} {value:.3f}" for name, value in at.losses.items())
            line = (
                f"epoch {at.epoch + 1}/{self._epochs}  step {at.step}/{at.steps}  {losses}  "
                f"{at.rate:.1f} images/s"
            )
            print(f"\r{line[:110]}\x1b[K", end="", file=sys.stderr, flush=True)

    def finished(self, row: dict[str, float]) -> None:
        """One line for each epoch."""
        cells = "  ".join(
            f"{name} {value:.4f}"
            for name, value in row.items()
            if name not in ("epoch", "seconds", "cpu_seconds")
        )
        start = "\r" if self._live else ""
        end = "\x1b[K" if self._live else ""
        print(
            f"{start}epoch {row['epoch']:.0f}/{self._epochs}  {cells}  {row['seconds']:.1f} s{end}",
            file=sys.stderr,
            flush=True,
        )
