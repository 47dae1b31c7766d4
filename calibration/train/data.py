"""Batches from a dataset: the same for the same recipe and epoch, whatever the threads do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import cv2
import numpy as np
import torch
from torch import Tensor

from calibration.checkpoints.training_recipe import Recipe
from calibration.train.augment import Image, augmented
from calibration.train.targets import Targets
from edge.errors import DataError, SourceError
from edge.io.datasets import Dataset, Sample
from edge.types import Frame

_AHEAD = 3  # batches made before they are asked for
_MEMORY_SHARE = 0.4  # of the machine's, for decoded images; what does not fit is read again


class Images:
    """The images of a dataset, no larger than the network input, in memory as far as they fit.

    Objects that are crowds or ignored are left out: they are neither taught nor avoided.

    Args:
        dataset: Read from the first image on, which for rendered ones is fastest.
        size: Of the longer side.
        memory: Bytes to take at most; None takes a share of the machine's.

    Raises:
        DataError: An image cannot be read, or its labels are for another image.
    """

    def __init__(self, dataset: Dataset, size: int, memory: int | None = None) -> None:
        if memory is None:
            memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _MEMORY_SHARE)
        self._samples = dataset.samples
        self._size = size
        self._lock = Lock()  # what renders an image is for one thread
        self._kept: list[Image] = []
        for sample in self._samples:
            image = _read(sample, size)
            memory -= image.image.nbytes
            if memory < 0:
                break
            self._kept.append(image)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Image:
        """One image. From any thread. Raises as the constructor."""
        if index < len(self._kept):
            return self._kept[index]
        with self._lock:
            return _read(self._samples[index], self._size)


def _read(sample: Sample, size: int) -> Image:
    try:
        image = sample.image()
    except SourceError as error:
        raise DataError(f"{sample.path}: {error}") from error
    objects = sample.objects(Frame.of(image).size)
    objects = objects[~(objects.crowd | objects.ignored)]
    height, width = image.shape[:2]
    scale = size / max(height, width)
    resized = max(1, round(width * scale)), max(1, round(height * scale))
    if resized != (width, height):
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, resized, interpolation=interpolation)
    factors = np.array([resized[0] / width, resized[1] / height] * 2, np.float32)
    colors = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return Image(colors, objects.boxes * factors, objects.class_ids)


def batches(
    images: Images, recipe: Recipe, epoch: int, *, threads: int
) -> Iterator[tuple[Tensor, Targets]]:
    """The batches of an epoch, made ahead by threads: OpenCV works without the GIL.

    Each image's randomness depends on the seed, the epoch and its place alone, so that a
    training that is taken up again goes on with the very images it would have had.

    Yields:
        (B, 3, S, S) uint8 RGB, and what is in them.
    """
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(images))
    places = range(0, len(order), recipe.batch)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[list[Future[Image]]] = deque()

        def prepare(start: int) -> list[Future[Image]]:
            return [
                pool.submit(_image, images, recipe, epoch, int(index))
                for index in order[start : start + recipe.batch]
            ]

        try:
            for start in places:
                waiting.append(prepare(start))
                if len(waiting) > _AHEAD:
                    yield _batch(waiting.popleft())
            while waiting:
                yield _batch(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _image(images: Images, recipe: Recipe, epoch: int, index: int) -> Image:
    random = np.random.default_rng([recipe.seed, epoch, index])
    chosen = [images[index]]
    if recipe.mosaics(epoch) and random.random() < recipe.augment.mosaic:
        chosen += [images[int(i)] for i in random.integers(0, len(images), 3)]
        chosen = [chosen[i] for i in random.permutation(4)]
    return augmented(recipe.input, chosen, recipe.augment, random)


def _batch(waiting: list[Future[Image]]) -> tuple[Tensor, Targets]:
    made = [future.result() for future in waiting]
    images = np.stack([image.image for image in made]).transpose(0, 3, 1, 2)
    targets = Targets.of([p.boxes for p in made], [p.class_ids for p in made])
    return torch.from_numpy(np.ascontiguousarray(images)), targets
