"""What a source and a sink are."""

from __future__ import annotations

from collections.abc import Iterator
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

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Frames, in order; a `Failure` in place of one that could not be read.

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
            SinkError: It could not be written.
        """

    def write_failure(self, failure: Failure) -> None:
        """Take note of a frame that could not be had."""

    def close(self) -> None:
        """Flush and release. Safe to call twice."""
