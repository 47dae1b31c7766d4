"""What a dataset is: images, and what is really in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.io.sources.images import read_image
from edge.types import Float32Array, Int32Array, Mask, Size, UInt8Array

Float64Array = npt.NDArray[np.float64]
# Why something that lies in a dataset is no part of it; in words in `summary`.
Kind = Literal["orphan", "missing", "repeated", "other", "unlabeled", "held_out"]
FARTHEST = 1e9  # pixels: no image has so many on a side


@dataclass(frozen=True, slots=True)
class Objects:
    """What is really in one image: columns of one length, in the order of the labels.

    Rectangles stay as datasets state them, in double: corners in float32 would move an IoU across
    a threshold now and then, and so the evaluation away from the reference one.

    Attributes:
        rectangles: (N, 4) float64 left, top, width, height in pixels of the image.
        class_ids: (N,) int32.
        areas: (N,) float64 square pixels: of the object's outline where known, else of its box.
        crowd: (N,) bool: a region of many objects. What is found in it does not count.
        ignored: (N,) bool: an object that need not be found. What finds it does not count.
    """

    rectangles: Float64Array
    class_ids: Int32Array
    areas: Float64Array
    crowd: Mask
    ignored: Mask

    def __post_init__(self) -> None:
        n = len(self.class_ids)
        columns = (self.class_ids, self.areas, self.crowd, self.ignored)
        if self.rectangles.shape != (n, 4) or any(column.shape != (n,) for column in columns):
            shapes = [self.rectangles.shape, *(column.shape for column in columns)]
            raise ValueError(f"shapes of objects disagree: {shapes}")

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, key: slice | Mask | Int32Array) -> Objects:
        """Select rows: `objects[~objects.crowd]`."""
        return Objects(
            self.rectangles[key],
            self.class_ids[key],
            self.areas[key],
            self.crowd[key],
            self.ignored[key],
        )

    @property
    def boxes(self) -> Float32Array:
        """(N, 4) float32 corners x1, y1, x2, y2 in pixels of the image."""
        start, extent = self.rectangles[:, :2], self.rectangles[:, 2:]
        return np.hstack([start, start + extent]).astype(np.float32)

    @classmethod
    def of(
        cls,
        rectangles: Sequence[Sequence[float]] | Float64Array,
        class_ids: Sequence[int] | Int32Array,
        *,
        areas: Sequence[float] | Float64Array | None = None,
        crowd: Sequence[bool] | Mask | None = None,
        ignored: Sequence[bool] | Mask | None = None,
    ) -> Objects:
        """Objects from lists: the box's area where none is given, neither crowd nor ignored."""
        rects = np.array(rectangles, np.float64).reshape(-1, 4)
        n = len(rects)
        return cls(
            rects,
            np.array(class_ids, np.int32).reshape(-1),
            rects[:, 2] * rects[:, 3] if areas is None else np.array(areas, np.float64),
            np.zeros(n, np.bool_) if crowd is None else np.array(crowd, np.bool_),
            np.zeros(n, np.bool_) if ignored is None else np.array(ignored, np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a dataset and its labels.

    Attributes:
        path: The image. Labels in pixels are for the image as it is read here: upright.
        image_id: Of the dataset itself, else the name as a number, else the place in name order.
        labels: What is in it.
        size: Size of the image, where the dataset states it.
        fractions: Whether the rectangles are fractions of the image's size instead of pixels.
        render: Makes the image, where it is not a file; `path` is then its address.
        split: The part of the dataset that it is from, where that has a name.
        has_labels: Whether the dataset says what is in it. If not, nothing is: it is background.
    """

    path: Path
    image_id: int
    labels: Objects
    size: Size | None = None
    fractions: bool = False
    render: Callable[[], UInt8Array] | None = None
    split: str | None = None
    has_labels: bool = True

    def image(self) -> UInt8Array:
        """The image, (H, W, 3) BGR, upright.

        Raises:
            SourceError: It cannot be read. The message is the reason; it does not name the file.
            NotInstalledError: OpenCV, which reads files, is not installed.
        """
        return self.render() if self.render is not None else read_image(str(self.path))

    def objects(self, size: Size) -> Objects:
        """The labels in pixels.

        Args:
            size: Of the image as it was read.

        Raises:
            DataError: The labels are for an image of another size.
        """
        if self.size is not None and self.size != size:
            turned = Size(size.width, size.height) == self.size
            why = "; its EXIF orientation turns it, the labels ignore that" if turned else ""
            raise DataError(f"the labels are for an image of {self.size}, it is {size}{why}")
        if not self.fractions:
            return self.labels
        rects = self.labels.rectangles * np.array([size.width, size.height] * 2, np.float64)
        return replace(self.labels, rectangles=rects, areas=rects[:, 2] * rects[:, 3])


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images with labels.

    Attributes:
        path: Where it was read from.
        format: "YOLO", "COCO", "VOC" or "test".
        samples: In the order of their `image_id`.
        names: Of the classes, by class id; None where the data has none.
        category_ids: Class id to the number that the dataset itself uses, where that differs.
        splits: Names of the parts that the dataset has.
        split: The part that was read; None: all.
        files: That the labels were read from, which no result may replace.
        left_out: How many files or images of each kind are no part of it, though they lie there.
        warnings: What else a user should know of it, in sentences.
    """

    path: Path
    format: str
    samples: tuple[Sample, ...]
    names: tuple[str, ...] | None = None
    category_ids: Mapping[int, int] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    split: str | None = None
    files: tuple[Path, ...] = ()
    left_out: Mapping[Kind, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def for_model(self, labels: Sequence[str]) -> Dataset:
        """The same data with the class ids of a model.

        Classes meet by name, whatever the case; by id where either side has no names (labels that
        only repeat the id, as "3" or "class3", are none).

        Args:
            labels: Of the model, by class id.

        Raises:
            DataError: An object's class is not one of the model's.
        """
        used = sorted({int(i) for sample in self.samples for i in sample.labels.class_ids})
        if self.names is None or all(_is_number(i, label) for i, label in enumerate(labels)):
            ids = {i: i for i in range(len(labels))}
            missing = [str(i) for i in used if i not in ids]
        else:
            ids = _by_name(self.names, labels, used)
            missing = [repr(self.names[i]) for i in used if i not in ids]
        if missing:
            known = np.array(sorted(ids), np.int32)
            first = next(s for s in self.samples if not np.isin(s.labels.class_ids, known).all())
            some = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
            raise DataError(
                f"{self.path}: the model has no class {', '.join(missing)} (first in the labels "
                f"of {first.path.name}); it has {len(labels)}: {some}"
            )
        table = np.zeros(max(used, default=0) + 1, np.int32)
        for i in used:
            table[i] = ids[i]
        samples = tuple(
            replace(s, labels=replace(s.labels, class_ids=table[s.labels.class_ids]))
            for s in self.samples
        )
        numbers = {ids[i]: number for i, number in self.category_ids.items() if i in ids}
        return replace(self, samples=samples, names=tuple(labels), category_ids=numbers)


def _by_name(names: Sequence[str], labels: Sequence[str], used: Sequence[int]) -> dict[int, int]:
    places = {_key(label): i for i, label in reversed(list(enumerate(labels)))}
    ids: dict[int, int] = {}
    # Classes with objects first: files of some tools also list a parent class of the same name.
    for i in [*used, *(i for i in range(len(names)) if i not in set(used))]:
        place = places.get(_key(names[i]))
        if place is not None and place not in ids.values():
            ids[i] = place
        elif place is not None and i in used:
            raise DataError(f"two classes of the dataset are named {names[i]!r}")
    return ids


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _is_number(place: int, label: str) -> bool:
    return _key(label).replace(" ", "") in {str(place), f"class{place}"}
