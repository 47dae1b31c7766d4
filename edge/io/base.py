"""What a source and a sink are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from edge.types import Failure, Frame, Result


class Source(Protocol):
    """Yields frames until it ends."""

    @property
    def count(self) -> int | None:
        """How many it will yield, where that is known."""

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time (a camera) and are lost when not taken."""

    @property
    def rate(self) -> float | None:
        """Nominal frames per second of a moving picture; None for still images."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it reads, which no sink may write to; none for a device."""

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Frames, in order, once; a `Failure` in place of one that could not be read.

        Raises:
            SourceError: The camera, file or stream as a whole could not be read.
        """

    def close(self) -> None:
        """Release the device. Safe to call twice."""


class Sink(Protocol):
    """Takes results, one frame at a time."""

    def write(self, result: Result) -> None:
        """Take one frame's result.

        Raises:
            UnsavedError: It could not be written, which says nothing of the next.
            SinkError: Neither it nor any other can be written.
        """

    def write_failure(self, failure: Failure) -> None:
        """Take note of a frame that could not be had.

        Raises:
            SinkError: It could not be written.
        """

    def close(self) -> None:
        """Flush and release. Safe to call twice.

        Raises:
            SinkError: What was taken could not be kept.
        """
