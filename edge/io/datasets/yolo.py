"""YOLO datasets: images, and one text file with labels for each, in `labels/` for `images/`.

    images/a.jpg      images/val/a.jpg      val/images/a.jpg      images/train/site/a.jpg
    labels/a.txt      labels/val/a.txt      val/labels/a.txt      labels/train/site/a.txt

A line is `class x y width height`: the class id, the center and the extent, in fractions of the
image as it is shown (its EXIF orientation applied), or `class x1 y1 x2 y2 x3 y3 …`: an outline,
of which the enclosing box is taken. An image without a label file has no objects. What `data.yaml`
says of splits and class names is obeyed; without it the folders are the splits, and names are read
from `classes.txt`, where there is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DataError
from edge.io.datasets import data_file, splits, yolo_layout
from edge.io.datasets.base import Dataset, Kind, Objects, Sample
from edge.io.datasets.files import image_ids, resolved
from edge.io.datasets.names import read_text
from edge.io.datasets.yolo_images import images, orphans
from edge.io.datasets.yolo_layout import Layout, Part

WANTED = (
    "YOLO: images/ and labels/, or such a pair inside or of folders train, val, test, or a "
    "data.yaml that says where they lie"
)
_ROUNDING = 1e-3  # how far outside 0 to 1 a writer's rounding may put a value


def recognizes(path: Path) -> bool:
    """Whether a path is a data file, or a folder with one or with `images/` and `labels/`."""
    if yolo_layout.is_data_file(path) or not path.is_dir():
        return yolo_layout.is_data_file(path)
    parts = yolo_layout.discovered(path)
    if any(yolo_layout.labels_folder(folder).is_dir() for part in parts for folder in part.places):
        return True
    # A folder with COCO's labels may have a data file too.
    has_json = any(True for pattern in ("*.json", "*/*.json") for _ in path.glob(pattern))
    data = None if has_json else data_file.of_folder(path)
    return data is not None and bool(data.splits)


def split_names(path: Path) -> tuple[str, ...]:
    """The parts that `read` can choose from."""
    return splits.names([part.split for part in yolo_layout.read(path).parts])


def read(path: Path, split: str | None = None, *, labels: bool = True) -> Dataset:
    """Read the images of a folder or data file, and their labels.

    Args:
        path: The folder, or the data file.
        split: Only this part; None: all.
        labels: Whether to read them; else no image has objects.

    Raises:
        DataError: A label file has a line of another form or names a class that does not exist;
            the data file is damaged; there is no such part, or nothing in it.
    """
    layout = yolo_layout.read(path)
    chosen = _chosen(layout, path, split)
    gathered = _gather(chosen, layout, path, whole=split is None, labels=labels)
    paths = sorted(gathered.labels)
    samples = [
        Sample(
            image,
            number,
            _read_labels(gathered.labels[image], layout.names) if labels else Objects.of([], []),
            fractions=True,
            split=gathered.splits[image],
            has_labels=gathered.labels[image].exists(),
        )
        for image, number in zip(paths, image_ids(paths), strict=True)
    ]
    samples.sort(key=lambda sample: sample.image_id)
    missing = [part.missing for part in layout.parts if part.missing and part not in chosen]
    return Dataset(
        path,
        "YOLO",
        tuple(samples),
        layout.names,
        splits=splits.names([part.split for part in layout.parts]),
        split=split,
        files=(*gathered.labels.values(), *gathered.lists, *layout.files),
        left_out=gathered.left_out,
        warnings=(*layout.warnings, *(f"{why}; not used" for why in missing)),
    )


@dataclass(frozen=True, slots=True)
class _Gathered:
    """The images of some parts.

    Attributes:
        labels: The label file of each image, there or not.
        splits: The part of each image; None where that has no name.
        lists: That images were read from.
        left_out: How many files of each kind.
    """

    labels: dict[Path, Path]
    splits: dict[Path, str | None]
    lists: tuple[Path, ...]
    left_out: Counter[Kind]


def _chosen(layout: Layout, path: Path, split: str | None) -> list[Part]:
    chosen = list(layout.parts)
    if split is not None:
        named = splits.choose([part.split for part in layout.parts], split, path)
        chosen = [part for part in layout.parts if part.split in named]
    for part in chosen:
        if part.missing:
            others = [other.split.name for other in layout.parts if not other.missing]
            hint = f"; --split chooses from {', '.join(others)}" if others and not split else ""
            raise DataError(part.missing + hint)
    return chosen


def _gather(
    parts: Sequence[Part], layout: Layout, path: Path, *, whole: bool, labels: bool
) -> _Gathered:
    by_image: dict[Path, Path] = {}
    of_split: dict[Path, str | None] = {}
    left_out: Counter[Kind] = Counter()
    known: set[Path] = set()
    total = 0
    for part in parts:
        listed = images(part, layout.roots)
        files = {image: yolo_layout.label_file(image) for image in listed.paths}
        total += len(files)
        left_out += listed.left_out
        is_labeled = any(file.exists() for file in files.values())
        if whole and labels and not is_labeled:  # such as a challenge's test set
            left_out["unlabeled"] += len(files)
            continue
        left_out["orphan"] += orphans(part, set(files.values()))
        for image, real in zip(files, resolved(files), strict=True):
            if real in known:
                left_out["repeated"] += 1
                continue
            known.add(real)
            by_image[image], of_split[image] = files[image], part.split.name or None
    places = [place for part in parts for place in part.places]
    if total == 0:
        looked = ", ".join(map(str, places)) or "none"
        raise DataError(f"{path}: no images in it; looked in {looked}")
    if labels and not any(file.exists() for file in by_image.values()):
        raise DataError(f"{path}: {total} images, and no label file for any of them")
    lists = tuple(place for place in places if not place.is_dir())
    return _Gathered(by_image, of_split, lists, +left_out)


def _read_labels(file: Path, names: tuple[str, ...] | None) -> Objects:
    rectangles, class_ids = [], []
    for number, line in enumerate(read_text(file).splitlines() if file.exists() else (), 1):
        fields = line.split()
        if not fields:
            continue
        where = f"{file}:{number}"
        rectangles.append(_rectangle(fields[1:], where))
        class_ids.append(_class_id(fields[0], names, where))
    return Objects.of(rectangles, class_ids)


def _class_id(text: str, names: tuple[str, ...] | None, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"{where}: a class id is a whole number, got {text!r}")
    if names is not None and int(text) >= len(names):
        raise DataError(f"{where}: class id {text}, but there are names for 0 to {len(names) - 1}")
    return int(text)


def _rectangle(fields: list[str], where: str) -> tuple[float, float, float, float]:
    """Left, top, width and height, in fractions."""
    if len(fields) != 4 and (len(fields) < 6 or len(fields) % 2):
        raise DataError(
            f"{where}: a line is a class id and 4 numbers, or an outline of 3 points or more; "
            f"got {len(fields) + 1} fields"
        )
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise DataError(f"{where}: not numbers: {' '.join(fields)}") from error
    if not all(-_ROUNDING <= value <= 1 + _ROUNDING for value in values):
        raise DataError(
            f"{where}: values are fractions of the image, 0 to 1; got {' '.join(fields)}"
        )
    if len(values) > 4:
        points = np.array(values).reshape(-1, 2)
        left, top = points.min(axis=0).tolist()
        right, bottom = points.max(axis=0).tolist()
        return left, top, right - left, bottom - top
    x, y, width, height = values
    if width < 0 or height < 0:
        raise DataError(f"{where}: a width or height below 0: {' '.join(fields)}")
    return x - width / 2, y - height / 2, width, height
