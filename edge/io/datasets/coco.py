"""COCO JSON: one file with `images`, `annotations` and `categories`.

Class ids count the categories from 0 in the order of their ids, which makes COCO's 1 to 90 its
well-known 0 to 79. As in the reference evaluator, an annotation of an image that is not listed is
passed over, and so is the key `ignore`. Boxes are in pixels of the image without regard to its
EXIF orientation; the images of COCO itself have none.

Source: cocodataset.org, "Data format", object detection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.io.datasets.base import FARTHEST, Dataset, Objects, Sample
from edge.io.datasets.locate import Located, locate
from edge.io.datasets.names import read_text
from edge.io.datasets.splits import Split, choose
from edge.types import Size

WANTED = "COCO: a .json file, or a folder with one, with images, annotations and categories"
_KEYS = ("images", "annotations", "categories")


def recognizes(path: Path) -> bool:
    """Whether a path is a .json file, or a folder that holds some."""
    return path.suffix.lower() == ".json" or bool(_files(path))


def split_names(path: Path) -> tuple[str, ...]:
    """The parts that `read` can choose from."""
    return () if path.suffix.lower() == ".json" else tuple(s.name for s in _files(path).values())


def read(path: Path, split: str | None = None, *, labels: bool = True) -> Dataset:
    """Read a file.

    Args:
        path: The file; or its folder, or the one above `annotations/` or `train/`, `valid/`, ….
        split: Chooses among the files of a folder: part of the name, such as `val2017` or `val`.
        labels: Whether to read the annotations; else no image has objects.

    Raises:
        DataError: The file is not of this form; several files, or none, match; the images are
            not found.
    """
    file, splits = _choose(path, split)
    try:
        content = json.loads(read_text(file, None))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    if isinstance(content, list):
        raise DataError(f"{file}: a list, as of results; wanted an object with {', '.join(_KEYS)}")
    tables = {key: _table(content, key, file) for key in _KEYS}

    categories = sorted((_whole(c, "id", w), _text(c, "name", w)) for w, c in tables["categories"])
    places = {number: i for i, (number, _) in enumerate(categories)}
    if len(places) < len(categories):
        raise DataError(f"{file}: two categories have the same id")

    images = {_whole(image, "id", where): (where, image) for where, image in tables["images"]}
    if len(images) < len(tables["images"]):
        raise DataError(f"{file}: two images have the same id")
    rows: dict[int, list[tuple[str, Mapping[str, Any]]]] = {number: [] for number in images}
    for where, row in tables["annotations"] if labels else ():
        rows.get(_whole(row, "image_id", where), []).append((where, row))

    folders = _folders(file)
    named = {number: _text(row, "file_name", where) for number, (where, row) in images.items()}
    located = {number: locate(name, folders, working=False) for number, name in named.items()}
    samples = tuple(
        Sample(
            _image(located[number], folders[0] / named[number]),
            number,
            _objects(rows[number], places),
            _size(image, where),
            split=split,
        )
        for number, (where, image) in sorted(images.items())
    )
    if samples and not any(sample.path.exists() for sample in samples):
        looked = ", ".join(str(folder) for folder in folders)
        first = next(iter(named.values()))
        raise DataError(
            f"{file}: none of its {len(samples)} images found, such as {first!r:.120}; looked in "
            f"{looked}"
        )
    moved = sum(each is not None and each.is_moved for each in located.values())
    return Dataset(
        path,
        "COCO",
        samples,
        tuple(name for _, name in categories),
        {i: number for number, i in places.items()},
        splits,
        split,
        (file,),
        warnings=(f"{file}: {moved} images are found by the end of their path",) if moved else (),
    )


def _files(path: Path) -> dict[Path, Split]:
    """The files of a folder, and the names of the parts that they are."""
    files = {
        file: Split(file.stem, _words(file.stem))
        for file in sorted([*path.glob("*.json"), *path.glob("annotations/*.json")])
    }
    exported = sorted(path.glob("*/_annotations.coco.json"))  # Roboflow's
    return files | {file: Split(file.parent.name) for file in exported}


def _choose(path: Path, split: str | None) -> tuple[Path, tuple[str, ...]]:
    if path.suffix.lower() == ".json":
        if split is not None:
            raise DataError(f"{path}: one file has no splits, got {split!r}; name the folder")
        return path, ()
    files = _files(path)
    splits = split_names(path)
    chosen = list(files.values()) if split is None else choose(list(files.values()), split, path)
    matching = [file for file, part in files.items() if part in chosen]
    if len(matching) > 1:  # beside the captions and keypoints of the same images
        instances = [file for file in matching if file.name.startswith("instances_")]
        matching = instances if len(instances) == 1 else matching
    if len(matching) == 1:
        return matching[0], splits
    what = "files" if split is None else f"files for the split {split!r}"
    raise DataError(
        f"{path}: {len(matching)} {what}, wanted one; choose by --split or name the file: "
        + ", ".join(str(file.relative_to(path)) for file in files)
    )


def _words(stem: str) -> tuple[str, ...]:
    """What may be said for `instances_val2017`: `val2017` and `val`."""
    words = dict.fromkeys(stem.split("_"))
    return tuple(dict.fromkeys([*words, *(word.rstrip("0123456789") for word in words)]))


def _folders(file: Path) -> list[Path]:
    """Where images usually lie: beside the file, or beside the folder of annotations."""
    near, above = file.parent, file.parent.parent
    split = file.stem.rsplit("_", 1)[-1]
    folders = [near, near / "images", near / split, near / "images" / split]
    if near.name == "annotations":
        folders += [above, above / "images", above / split, above / "images" / split]
    return [folder for folder in folders if folder.is_dir()]


def _image(result: Located | None, missing: Path) -> Path:
    """The file; or where it should be, which is said when it is read."""
    return result.path if result is not None and result.path.is_file() else missing


def _size(image: Mapping[str, Any], where: str) -> Size | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    height, width = _whole(image, "height", where), _whole(image, "width", where)
    return Size(height, width) if height >= 1 and width >= 1 else None


def _objects(rows: list[tuple[str, Mapping[str, Any]]], places: Mapping[int, int]) -> Objects:
    rectangles, class_ids, areas, crowd = [], [], [], []
    for where, row in rows:
        box = row.get("bbox")
        if not (isinstance(box, list) and len(box) == 4 and all(_within(v, FARTHEST) for v in box)):
            raise DataError(f"{where}: 'bbox' is left, top, width, height; got {box!r:.80}")
        if box[2] < 0 or box[3] < 0:
            raise DataError(f"{where}: a width or height below 0 in 'bbox': {box!r}")
        category = _whole(row, "category_id", where)
        if category not in places:
            raise DataError(f"{where}: there is no category {category}")
        area = row.get("area")
        if area is not None and not _within(area, FARTHEST**2):
            raise DataError(f"{where}: 'area' is a number, got {area!r:.40}")
        rectangles.append(box)
        class_ids.append(places[category])
        areas.append(box[2] * box[3] if area is None else area)
        crowd.append(bool(row.get("iscrowd", 0)))
    return Objects.of(rectangles, class_ids, areas=areas, crowd=crowd)


def _table(content: Any, key: str, file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of one of the lists, each with its place for messages."""
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{file}: no list {key!r}; wanted an object with {', '.join(_KEYS)}")
    named = [(f"{file}: {key}[{i}]", row) for i, row in enumerate(rows)]
    for where, row in named:
        if not isinstance(row, dict):
            raise DataError(f"{where}: wanted an object, got {row!r:.40}")
    return named


def _whole(row: Mapping[str, Any], key: str, where: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{where}: {key!r} is a whole number, got {value!r:.40}")
    return value


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: {key!r} is a text, got {value!r:.40}")
    return value


def _within(value: Any, limit: float) -> bool:
    """Whether it is a number of at most this magnitude. JSON's may be NaN, or of 400 digits."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and -limit <= value <= limit
    )
