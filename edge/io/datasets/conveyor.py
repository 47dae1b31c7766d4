"""Frames of `test:conveyor` as a dataset: rendered when they are needed, labeled exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.conveyor import Conveyor, GroundTruth
from edge.errors import DataError
from edge.io.datasets.base import Dataset, Objects, Sample
from edge.io.sources.conveyor import Scene
from edge.types import UInt8Array

# Neighboring frames show the same parts. So far apart, most of the belt is new, and each line
# gives ten images.
STRIDE = 61


def read(target: str, split: str | None = None) -> Dataset:
    """So many frames of a scene: number 0, 61, 122 and so on of its source.

    Parts that are ignored by `GroundTruth` are so here.

    Args:
        target: What follows "test:"; it says how many frames.
        split: There are none.

    Raises:
        SourceError: The address is not of its form.
        DataError: It does not say how many frames, or a split is asked for.
    """
    scene = Scene.parse(target)
    if split is not None:
        raise DataError(f"test:{target}: a test source has no splits, got {split!r}")
    if scene.frames == 0:
        raise DataError(f"test:{target}: as data it needs a number of frames, as in &frames=200")
    conveyor = Conveyor(scene.seed, scene.size)
    return Dataset(
        Path(f"test:{target}"),
        "test",
        tuple(_sample(conveyor, scene, STRIDE * k) for k in range(scene.frames)),
        names=conveyor.labels,
    )


def _sample(conveyor: Conveyor, scene: Scene, index: int) -> Sample:
    def render() -> UInt8Array:
        return conveyor.render(index)[0]

    labels = _objects(conveyor.truth(index))
    return Sample(Path(f"{scene}#{index}"), index, labels, scene.size, render=render)


def _objects(truth: GroundTruth) -> Objects:
    rectangles = truth.boxes.astype(np.float64)
    rectangles[:, 2:] -= rectangles[:, :2]
    return Objects.of(
        rectangles,
        truth.class_ids,
        areas=truth.areas.astype(np.float64),
        ignored=truth.ignored,
    )
