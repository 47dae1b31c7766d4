"""A recording as a source: the same frames in the same order, as fast as they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge.io import recording
from edge.types import Failure, Frame


def open_source(target: str) -> Replay:
    """The frames of a recording, as `--record` writes it.

    Raises:
        SourceError: There is no such file, or it is no recording.
    """
    return Replay(Path(target))


class Replay:
    """Reads a recording.

    Frames keep their number, time, source and pixels, and failures are failures again. They are
    not live any more: none is dropped, so the detector sees what it saw when it was recorded.
    """

    live = False

    def __init__(self, file: Path) -> None:
        self.count, rate = recording.outline(file)
        self.rate = rate or 30.0
        self.files = (file,)

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Each frame and failure, up to the last that was written whole.

        Raises:
            SourceError: A record before the last is damaged.
        """
        for item in recording.read(self.files[0]):
            yield item if isinstance(item, Failure) else replace(item.frame, captured=None)

    def stop(self) -> None:
        """Nothing here waits for anything."""

    def close(self) -> None:
        """The file is open only while it is read."""
