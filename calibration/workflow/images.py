"""The images of a calibration: those that it learns ranges from, and the held-out ones."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from calibration.learning_data import apart, held_out_data, training_data
from edge.errors import CalibrationError, DataError, SourceError
from edge.io.datasets import FORMATS, Dataset, Objects, Sample, summary
from edge.io.selection import Look, fault, is_duplicate, look
from edge.io.sources.images import open_source
from edge.types import Frame, Size, UInt8Array

_HELD_OUT = 5  # one image in so many is held out
_MAX_HELD_OUT = 64
_FEW = 32  # images to observe
_FEW_HELD_OUT = 16


@dataclass(frozen=True, slots=True)
class Images:
    """Some images, with labels or without.

    Attributes:
        samples: Without labels, each has none.
        labeled: Whether what is in them is known.
        notes: What a user should know of the dataset that they are from, a line each.
    """

    samples: tuple[Sample, ...]
    labeled: bool
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def at(self, places: Sequence[int]) -> Images:
        """Some of them."""
        return Images(tuple(self.samples[i] for i in places), self.labeled)

    def images(self) -> Iterator[UInt8Array]:
        """Each image, (H, W, 3) uint8 BGR, read when it is asked for.

        Raises:
            CalibrationError: One cannot be read; names it.
        """
        return map(_image, self.samples)

    def truth(self, sizes: Sequence[Size]) -> list[Objects]:
        """What is in each image, given their sizes."""
        return [s.objects(size) for s, size in zip(self.samples, sizes, strict=True)]


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """What a calibration is made and validated with; no image serves both.

    Attributes:
        observed: For the calibration.
        held_out: For the gate and the report.
        overlap: How many images were not observed because they are held out.
    """

    observed: Images
    held_out: Images
    overlap: int = 0


def open_images(address: str, labels: Sequence[str], *, strict: bool) -> Images:
    """The images of a dataset, a folder, a glob, or `test:conveyor?seed=N&frames=N`.

    Args:
        address: Where they are.
        labels: Of the model: those of the data are for it.
        strict: For held-out images: of a dataset the split val, where there is one, and labels
            that are damaged or not for this model are refused. Else for images to observe: the
            split train, where there is one, and such labels count as none.

    Raises:
        SourceError: Nothing is there.
        DataError: With `strict`: the labels are damaged, or name a class that the model does not
            have. Or a data file does not say where images are.
        NotInstalledError: OpenCV is missing.
    """
    path = Path(address.rpartition("?split=")[0] or address)
    is_data = address.startswith("test:") or (
        path.exists() and any(import_module(name).recognizes(path) for name in FORMATS.values())
    )
    if not is_data:
        return _unlabeled(address)
    if strict:
        return _images(held_out_data(address).for_model(labels), labeled=True)
    try:
        data = training_data(address)
    except DataError:
        return _without_labels(address, path)
    try:
        return _images(data.for_model(labels), labeled=True)
    except DataError:
        return _images(data, labeled=False)


def _without_labels(address: str, path: Path) -> Images:
    """Those that a dataset names, whatever its labels are; of a folder at worst all in it."""
    try:
        return _images(training_data(address, labels=False), labeled=False)
    except DataError:
        if not path.is_dir():
            raise
    return _unlabeled(f"{glob.escape(str(path))}/**/*")


def _images(data: Dataset, *, labeled: bool) -> Images:
    return Images(data.samples, labeled, tuple(summary({"": data})))


def _unlabeled(address: str) -> Images:
    nothing = Objects.of([], [])
    files = open_source(address).files
    return Images(tuple(Sample(f, i, nothing) for i, f in enumerate(files)), False)


def divide(data: Images, held_out: Images | None, images: int, seed: int) -> CalibrationSet:
    """Choose what is observed and what is held out.

    Args:
        data: To observe; without `held_out` one in five of them, 64 at most, is held out.
        held_out: For the gate and the report.
        images: To observe at most.
        seed: Of the choice.

    Raises:
        CalibrationError: There are too few to divide, or all of them are held out.
    """
    overlap = 0
    if held_out is not None:
        rest = apart(data.samples, held_out.samples)
        overlap, data = len(data) - len(rest), Images(rest, data.labeled)
        if not rest:
            raise CalibrationError(f"all {overlap} images to calibrate on are held out to judge by")
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    count = 0 if held_out is not None else min(_MAX_HELD_OUT, -(-len(data) // _HELD_OUT))
    if len(data) - count < 1:
        raise CalibrationError(
            f"{len(data)} images cannot be divided into some to calibrate on and some to judge "
            "by; 64 to 128 of them are a good number"
        )
    observed = data.at(sorted(order[count:][:images]))
    validation = data.at(sorted(order[:count])) if held_out is None else held_out
    return CalibrationSet(observed, validation, overlap)


@dataclass(frozen=True, slots=True)
class DataReport:
    """Images that were looked at once.

    Attributes:
        usable: Those that can be read and whose labels fit.
        sizes: Of these.
        looks: Of these.
        refused: Why the others are not, by path.
    """

    usable: Images
    sizes: tuple[Size, ...]
    looks: tuple[Look, ...]
    refused: tuple[str, ...]


def survey(images: Images, progress: Callable[[int, int], None]) -> DataReport:
    """Read every image once.

    Args:
        images: All.
        progress: Is told how many are done, of how many.

    Raises:
        CalibrationError: None can be used; says why the first one cannot.
    """
    kept, sizes, looks, refused = [], [], [], []
    for number, sample in enumerate(images.samples):
        try:
            frame = Frame.of(sample.image())
            sample.objects(frame.size)
        except (SourceError, DataError) as error:
            refused.append(f"{sample.path}: {error}")
        else:
            kept.append(sample)
            sizes.append(frame.size)
            looks.append(look(frame))
        progress(number + 1, len(images))
    if not kept:
        raise CalibrationError(f"no image can be used; {refused[0] if refused else 'none there'}")
    usable = Images(tuple(kept), images.labeled)
    return DataReport(usable, tuple(sizes), tuple(looks), tuple(refused))


def warnings(observed: DataReport, held_out: DataReport, input_: Size) -> list[str]:
    """What is wrong with the images, in sentences; none where they are fine.

    Args:
        observed: To calibrate on.
        held_out: For the gate and the report.
        input_: Of the network.
    """
    results = []
    refused = (*observed.refused, *held_out.refused)
    if refused:
        results.append(f"{len(refused)} images are left out, the first: {refused[0]}")
    count = len(observed.looks)
    if count < _FEW:
        results.append(
            f"{count} images are few to choose ranges from; 64 to 128 that show what the camera "
            "will see are better"
        )
    if len(held_out.looks) < _FEW_HELD_OUT:
        results.append(f"{len(held_out.looks)} images judge; that is few to tell good from bad")
    twins = sum(any(map(partial(is_duplicate, this), observed.looks[:i]))
                for i, this in enumerate(observed.looks))  # fmt: skip
    if twins * 2 > count:
        results.append(
            f"{twins} of {count} images show the same as another one; `edge capture` passes "
            "such over"
        )
    faults = Counter(why for each in observed.looks if (why := fault(each)))
    if faults:
        kinds = ", ".join(f"{n} {why}" for why, n in sorted(faults.items()))
        results.append(f"{faults.total()} of {count} images teach nothing: {kinds}")
    small = sum(s.height < input_.height and s.width < input_.width for s in observed.sizes)
    if small:
        results.append(
            f"{small} of {count} images are smaller than the input of {input_} and are "
            "enlarged, which the camera's will not be"
        )
    return results


def _image(sample: Sample) -> UInt8Array:
    try:
        return sample.image()
    except SourceError as error:
        raise CalibrationError(f"{sample.path}: {error}") from error
