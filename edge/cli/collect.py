"""Runs a detector over a dataset, for the commands that measure one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge import pipeline
from edge.detector import Detector
from edge.errors import DataError
from edge.io.datasets import Dataset, Images, Objects, Sample, summary
from edge.io.sinks.progress import Progress
from edge.models import coco
from edge.types import Detections, Failure, Result


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found, beside what is there.

    Attributes:
        truth: By place in the dataset; without the images that could not be used.
        detections: Likewise.
        failed: Images that could not be used.
        interrupted: Whether the user ended it: the numbers of a part would pass for the whole's.
    """

    truth: dict[int, Objects]
    detections: dict[int, Detections]
    failed: int
    interrupted: bool


def for_model(dataset: Dataset, labels: Sequence[str]) -> Dataset:
    """A dataset with the class ids of a model, also where it has no names for its own.

    Those of a model that counts COCO's classes by their category ids would then meet others; such
    data count them without gaps.

    Raises:
        DataError: An object's class is not one of the model's.
    """
    if dataset.names is None and coco.counted_otherwise(labels):
        print(
            "edge: the model counts COCO's classes by category id; the data, whose classes have no "
            "names, are taken to count them from 0 to 79",
            file=sys.stderr,
        )
        dataset = replace(dataset, names=coco.LABELS)
    return dataset.for_model(labels)


def collect(detector: Detector, dataset: Dataset) -> Collected:
    """Detect in every image, with progress, failures and a summary on standard error."""
    images = Images(dataset.samples)
    collector, progress = _Collector(dataset.samples), Progress(sys.stderr, images.count)
    summary = pipeline.run(images, detector, [collector], watchers=[progress])
    for failure in collector.failures:
        progress.write_failure(failure)
    print(summary, file=sys.stderr)
    failed = summary.failures + len(collector.failures)
    return Collected(collector.truth, collector.detections, failed, summary.interrupted)


def describe(dataset: Dataset) -> None:
    """Say what the data is made of, and where there are parts to choose from and all is used."""
    for line in summary({"": dataset}):
        print(line, file=sys.stderr)
    if dataset.splits and dataset.split is None:
        known = ", ".join(dataset.splits)
        print(f"the whole of the data is used; --split chooses from {known}", file=sys.stderr)


class _Collector:
    """Keeps what was found, beside what is there, by the place of the image."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self.truth: dict[int, Objects] = {}
        self.detections: dict[int, Detections] = {}
        self.failures: list[Failure] = []

    def write(self, result: Result) -> None:
        """Keep what was found, unless the labels are not for this image."""
        frame = result.frame
        try:
            self.truth[frame.index] = self._samples[frame.index].objects(frame.size)
        except DataError as error:
            self.failures.append(Failure(frame.index, frame.time, frame.source, str(error)))
        else:
            self.detections[frame.index] = result.detections

    def write_failure(self, failure: Failure) -> None:
        """Nothing was found, and nothing is expected."""

    def close(self) -> None:
        """Nothing is held open."""
