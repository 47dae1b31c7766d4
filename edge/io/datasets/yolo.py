"""YOLO folders: `images/` and `labels/` side by side, one text file for each picture.

    images/a.jpg      images/val/a.jpg      val/images/a.jpg
    labels/a.txt      labels/val/a.txt      val/labels/a.txt

A line is `class x y width height`: the class id, the centre and the extent, in fractions of the
picture as it is shown (its EXIF orientation applied), or `class x1 y1 x2 y2 x3 y3 …`: an outline,
of which the enclosing box is taken. A picture without a label file has no objects. Class names are
read from `data.yaml` (or another .yaml with the key `names`) or `classes.txt`, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DataError
from edge.io.datasets.base import Dataset, Objects, Sample
from edge.io.datasets.files import image_ids, pictures
from edge.io.datasets.names import read_lines, read_text, read_yaml

WANTED = "YOLO: images/ and labels/, or such a pair inside or of folders train, val, test"
_ROUNDING = 1e-3  # how far outside 0 to 1 a writer's rounding may put a value


@dataclass(frozen=True, slots=True)
class _Part:
    """A folder of pictures, and the folder of their labels."""

    split: str
    pictures: Path
    labels: Path


def recognises(path: Path) -> bool:
    """Whether a path is such a folder, or the .yaml file inside it."""
    return bool(_parts(_root(path)))


def read(path: Path, split: str | None = None) -> Dataset:
    """Read the labels of a folder.

    Args:
        path: The folder, or the .yaml file inside it.
        split: Only this part; None: all.

    Raises:
        DataError: A label file has a line of another form, names a class that does not exist, or
            has no picture; there is no such part, or no picture.
    """
    root = _root(path)
    names = _names(root)
    parts = _parts(root)
    splits = tuple(part.split for part in parts if part.split)
    if split is not None:
        parts = [part for part in parts if part.split == split]
        if not parts:
            raise DataError(f"{path}: no split {split!r}; found: {', '.join(splits) or 'none'}")
    labels: dict[Path, Path] = {}
    for part in parts:
        labels |= _pairs(part)
    paths = sorted(labels)
    if not any(file.exists() for file in labels.values()):
        raise DataError(f"{path}: {len(paths)} pictures, and no label file for any of them")
    samples = [
        Sample(picture, number, _read_labels(labels[picture], names), fractions=True)
        for picture, number in zip(paths, image_ids(paths), strict=True)
    ]
    samples.sort(key=lambda sample: sample.image_id)
    files = (*labels.values(), *_name_files(root))
    return Dataset(path, "YOLO", tuple(samples), names, splits=splits, split=split, files=files)


def _root(path: Path) -> Path:
    return path.parent if path.suffix.lower() in (".yaml", ".yml") else path


def _parts(root: Path) -> list[_Part]:
    parts = [_Part("", root / "images", root / "labels")]
    parts += [_Part(f.name, f, root / "labels" / f.name) for f in sorted(root.glob("images/*"))]
    parts += [_Part(f.parent.name, f, f.parent / "labels") for f in sorted(root.glob("*/images"))]
    # Pictures without labels beside them, such as a challenge's test set, are no part of this.
    return [part for part in parts if part.labels.is_dir() and part.pictures.is_dir()]


def _pairs(part: _Part) -> dict[Path, Path]:
    found = {picture: part.labels / f"{picture.stem}.txt" for picture in pictures(part.pictures)}
    known = {*found.values(), part.labels / "classes.txt"}
    orphans = sorted(file for file in part.labels.glob("*.txt") if file not in known)
    if orphans:
        raise DataError(
            f"{orphans[0]}: no picture of that name in {part.pictures}"
            + (f"; {len(orphans)} such files" if len(orphans) > 1 else "")
        )
    return found


def _name_files(root: Path) -> list[Path]:
    """The files that may name the classes, in the order in which they are asked."""
    return [
        *sorted([*root.glob("*.yaml"), *root.glob("*.yml")]),
        root / "classes.txt",
        root / "labels" / "classes.txt",
    ]


def _names(root: Path) -> tuple[str, ...] | None:
    for file in _name_files(root):
        if file.suffix != ".txt":
            names = read_yaml(file)
            if names is not None:
                return names
        elif file.is_file():
            return read_lines(file) or None
    return None


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
            f"{where}: values are fractions of the picture, 0 to 1; got {' '.join(fields)}"
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
