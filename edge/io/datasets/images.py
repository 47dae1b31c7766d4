"""The images of a dataset as a source."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import SourceError
from edge.io.datasets.base import Sample
from edge.types import Failure, Frame


class Images:
    """Yields the image of each sample, in order; its place is the frame's index."""

    live = False
    rate = None

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._samples)

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are files."""
        return tuple(sample.path for sample in self._samples if sample.render is None)

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Each image, timed when it was read; a `Failure` for one that cannot be.

        Raises:
            NotInstalledError: OpenCV, which reads files, is not installed.
        """
        return map(_read, range(len(self._samples)), self._samples)

    def stop(self) -> None:
        """Nothing here waits for anything."""

    def close(self) -> None:
        """Nothing is held open."""


def _read(index: int, sample: Sample) -> Frame | Failure:
    try:
        image = sample.image()
    except SourceError as error:
        return Failure(index, time.time(), str(sample.path), str(error))
    return Frame((image,), "BGR", index, time.time(), str(sample.path))
