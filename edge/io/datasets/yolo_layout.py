"""Where the images of a YOLO dataset lie: as its data file says, else as its folders show."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError
from edge.io.datasets import data_file
from edge.io.datasets.data_file import DataFile
from edge.io.datasets.locate import locate
from edge.io.datasets.names import read_lines
from edge.io.datasets.splits import Split, role
from edge.paths import exists


@dataclass(frozen=True, slots=True)
class Part:
    """The images of one split.

    Attributes:
        split: Its names.
        places: Folders of images, with all below them, and lists of images (.txt).
        leave: Folders below these that are parts themselves.
        missing: Why it cannot be read; "" where it can.
    """

    split: Split
    places: tuple[Path, ...]
    leave: frozenset[Path] = frozenset()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A YOLO dataset before any label is read.

    Attributes:
        parts: Of the images.
        roots: Folders that entries of the lists may be relative to.
        names: Of the classes, by class id; None where the data has none.
        files: That this was read from.
        warnings: What was not found as it was said.
    """

    parts: tuple[Part, ...]
    roots: tuple[Path, ...]
    names: tuple[str, ...] | None
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def is_data_file(path: Path) -> bool:
    """Whether a path names a data file."""
    return path.suffix.lower() in data_file.SUFFIXES


def read(path: Path) -> Layout:
    """The layout of a folder or of what a data file says.

    Raises:
        DataError: The data file is damaged, or there are several.
    """
    data = data_file.read(path) if is_data_file(path) else data_file.of_folder(path)
    here = path.parent if is_data_file(path) else path
    warnings: list[str] = []
    root = here if data is None else _root(data, warnings)
    if data is not None and data.splits:
        parts = [_declared(data, key, root, warnings) for key in data.splits]
    else:
        parts = discovered(root)
    names, files = _names(data, root)
    return Layout(tuple(parts), (root, here), names, files, tuple(warnings))


def discovered(root: Path) -> list[Part]:
    """The parts that folders show: `images/`, `images/NAME/` and `NAME/images/`."""
    parts = _below(root / "images", "") if (root / "images").is_dir() else []
    for folder in sorted(root.glob("*/images")):
        if folder.is_dir() and labels_folder(folder).is_dir():
            parts += _below(folder, folder.parent.name)
    return parts


def labels_folder(images: Path) -> Path:
    """`labels` in place of the last `images` of a path; the path itself where it has none."""
    return next(iter(_with_labels(images)), images)


def label_file(image: Path) -> Path:
    """The file with the labels of an image: in `labels/` in place of `images/`, else beside it.

    Of a link to an image, the labels may also lie where that is. Where none of these files exists,
    it is the first: of an image without objects.
    """
    first, *others = _label_places(image)
    if exists(first, DataError):
        return first
    if (real := Path(os.path.realpath(image))) != image:
        others += _label_places(real)
    return next((path for path in others if exists(path, DataError)), first)


def _label_places(image: Path) -> list[Path]:
    return [path.with_suffix(".txt") for path in (*_with_labels(image), image)]


def _with_labels(path: Path) -> list[Path]:
    """The path with `labels` in place of one `images`, the last of them first."""
    parts = path.parts if "images" in path.parts else path.absolute().parts
    places = [i for i, part in enumerate(parts) if part == "images"]
    return [Path(*parts[:i], "labels", *parts[i + 1 :]) for i in reversed(places)]


def _below(folder: Path, name: str) -> list[Part]:
    """One part; or one for each folder in it, where these are splits. Those of `images/` are."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if name and (role(name) or not any(role(path.name) for path in inside)):
        return [Part(Split(name), (folder,))]
    parts = [Part(Split(name), (folder,), frozenset(inside))]
    for path in inside:
        parts += _below(path, f"{name}/{path.name}" if name else path.name)
    return parts


def _root(data: DataFile, warnings: list[str]) -> Path:
    here = data.file.parent
    if not data.path:
        return here
    located = locate(data.path, [here])
    if located is not None and located.path.is_dir() and not located.is_moved:
        return located.path
    root = here if located is None or not located.path.is_dir() else located.path
    warnings.append(f"{data.file}: 'path' is {data.path!r}, not here; {root} is used")
    return root


def _declared(data: DataFile, key: str, root: Path, warnings: list[str]) -> Part:
    places, missing = [], ""
    for text in data.splits[key]:
        located = locate(text, [root])
        if located is None:
            fetched = "; it says how to download the data, which is not done here"
            missing = (
                f"{data.file}: {key!r} is {text!r}, which is neither in {root} nor in the working "
                f"directory{fetched if data.fetches else ''}"
            )
            break
        if not (located.path.is_dir() or located.path.suffix.lower() == ".txt"):
            missing = f"{data.file}: {key!r} is {text!r}, neither a folder nor a list (.txt)"
            break
        if located.is_moved:
            warnings.append(f"{data.file}: {key!r} is {text!r}, not here; {located.path} is used")
        places.append(located.path)
    also = tuple(path.stem for path in places if path.name != "images")
    return Part(Split(key, also), tuple(places), missing=missing)


def _names(data: DataFile | None, root: Path) -> tuple[tuple[str, ...] | None, tuple[Path, ...]]:
    files = () if data is None else (data.file,)
    if data is not None and data.names is not None:
        return data.names, files
    for file in (root / "classes.txt", root / "labels" / "classes.txt"):
        if file.is_file():
            return read_lines(file) or None, (*files, file)
    return None, files
