"""What a source and a sink are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from edge.types import Event, Failure, Frame, Result


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
        """Nominal frames per second of a video or camera; None for still images."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it reads, which no sink may write to; none for a device."""

    def __iter__(self) -> Iterator[Frame | Failure | Event]:
        """Frames, in order, once; a `Failure` in place of one that could not be read.

        A live source yields an `Event` when it connects, loses its camera or waits for it.

        Raises:
            SourceError: The camera, file or stream as a whole could not be read.
        """

    def stop(self) -> None:
        """Make the iteration end soon, also while it waits for a frame. From any thread."""

    def close(self) -> None:
        """Release the device. Safe to call twice, by the thread that iterated."""


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


class Watcher(Sink, Protocol):
    """A sink that is also told what else happens."""

    def event(self, event: Event) -> None:
        """Take note of an event."""
