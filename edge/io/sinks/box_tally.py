"""How many objects of each class were seen, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edge.io.labels import label_of
from edge.types import Event, Failure, Result


class BoxTally:
    """Counts objects by class, those of every frame again.

    Args:
        labels: Class names, by class id; a class without one is named by its number.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._counts: Counter[int] = Counter()
        self._frames = self._empty = 0

    def write(self, result: Result) -> None:
        """Count the objects of a frame."""
        detections = result.detections.class_ids.tolist()
        self._counts.update(detections)
        self._frames += 1
        self._empty += not detections

    def write_failure(self, failure: Failure) -> None:
        """Nothing was seen."""

    def event(self, event: Event) -> None:
        """Nothing was seen."""

    def close(self) -> None:
        """Nothing to release."""

    @property
    def counts(self) -> dict[str, int]:
        """Objects by the name of their class, the commonest first."""
        return {label_of(k, self._labels): count for k, count in self._counts.most_common()}

    def __str__(self) -> str:
        """A sentence."""
        counts = [f"{count} {name}" for name, count in self.counts.items()]
        frames = f"in {self._frames - self._empty} of {self._frames} frames"
        return f"saw {', '.join(counts)} {frames}" if counts else f"saw nothing {frames}"
