"""Pascal VOC folders: `Annotations/*.xml`, `JPEGImages/`, and lists in `ImageSets/Main/`.

Coordinates count pixels from 1 and include the last, so that a box over a whole image of 640
is 1 to 640; here that is 0 to 640. A file that starts at 0 all the same is taken as if it said 1.
Objects that are marked difficult are ignored: neither needed nor held against a detection.

Source: Everingham & Winn, "The PASCAL VOC2012 Challenge Development Kit", section 9.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

from edge.errors import DataError
from edge.io.datasets.base import FARTHEST, Dataset, Objects, Sample
from edge.io.datasets.files import image_ids, images
from edge.io.datasets.names import read_text
from edge.io.datasets.splits import Split, choose
from edge.types import Size

WANTED = "VOC: Annotations/*.xml and JPEGImages/"
_LISTS = Path("ImageSets", "Main")
_MARKED = re.compile(r"(\S+[ \t]+-?[01]\s*)+")  # lists of one class, such as cat_val.txt


def recognizes(path: Path) -> bool:
    """Whether a path is such a folder."""
    return (path / "JPEGImages").is_dir() and (path / "Annotations").is_dir()


def split_names(path: Path) -> tuple[str, ...]:
    """The parts that `read` can choose from."""
    lists = sorted((path / _LISTS).glob("*.txt"))
    return tuple(file.stem for file in lists if not _MARKED.fullmatch(read_text(file)))


def read(path: Path, split: str | None = None, *, labels: bool = True) -> Dataset:
    """Read the annotations of a folder. The names of the classes are sorted.

    Args:
        path: The folder.
        split: Only what `ImageSets/Main/<split>.txt` lists; None: every annotation.
        labels: Whether to read what is in the annotations; else no image has objects.

    Raises:
        DataError: A file is damaged or has another form; an annotation or an image is missing;
            there is no such list.
    """
    lists = sorted((path / _LISTS).glob("*.txt"))
    splits = split_names(path)
    files = _listed(path, split, splits) if split is not None else _all(path)
    by_stem = {image.stem: image for image in images(path / "JPEGImages")}
    read_ = [(file, _read(file) if labels else (None, [])) for file in files]
    names = sorted({name for _, (_, objects) in read_ for name, *_ in objects})
    samples = []
    numbers = image_ids(files)
    for (file, (size, objects)), number in zip(read_, numbers, strict=True):
        if file.stem not in by_stem:
            raise DataError(f"{file}: no image {file.stem}.* in {path / 'JPEGImages'}")
        objects_ = Objects.of(
            [rectangle for _, _, rectangle in objects],
            [names.index(name) for name, _, _ in objects],
            ignored=[difficult for _, difficult, _ in objects],
        )
        samples.append(Sample(by_stem[file.stem], number, objects_, size, split=split))
    samples.sort(key=lambda sample: sample.image_id)
    return Dataset(
        path,
        "VOC",
        tuple(samples),
        tuple(names),
        splits=splits,
        split=split,
        files=(*files, *lists),
    )


def _all(path: Path) -> list[Path]:
    files = sorted((path / "Annotations").glob("*.xml"))
    if not files:
        raise DataError(f"{path / 'Annotations'}: no .xml file")
    return files


def _listed(path: Path, split: str, splits: tuple[str, ...]) -> list[Path]:
    chosen = choose([Split(name) for name in splits], split, path / _LISTS)
    listed: dict[Path, Path] = {}  # annotation to a list that names it
    for part in chosen:
        list_ = _LISTS / f"{part.name}.txt"
        names = {line.strip() for line in read_text(path / list_).splitlines()} - {""}
        listed |= {path / "Annotations" / f"{name}.xml": list_ for name in names}
    for file in sorted(listed):
        if not file.is_file():
            raise DataError(f"{file}: missing, though {listed[file]} lists it")
    return sorted(listed)


_Object = tuple[str, bool, tuple[float, float, float, float]]  # name, difficult, rectangle


class _Builder(ET.TreeBuilder):
    """Builds the tree, and stops at a document type: there entities would be declared."""

    def doctype(self, *_: str | None) -> NoReturn:
        raise DataError("has a document type declaration, which an annotation does not need")


def _read(file: Path) -> tuple[Size | None, list[_Object]]:
    try:
        root = ET.fromstring(file.read_bytes(), ET.XMLParser(target=_Builder()))
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from error
    except (ET.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{file}: not XML: {error}") from error
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    if root.tag != "annotation":
        raise DataError(f"{file}: the root element is <annotation>, got <{root.tag}>")
    objects = [
        _object(element, f"{file}: object {number}")
        for number, element in enumerate(root.findall("object"), 1)
    ]
    if root.find("size") is None:
        return None, objects
    height, width = (_number(root, f"size/{side}", f"{file}:") for side in ("height", "width"))
    # Some writers state 0 x 0.
    return (Size(int(height), int(width)) if height >= 1 and width >= 1 else None), objects


def _object(element: ET.Element, where: str) -> _Object:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{where} has no <name>")
    x1, y1, x2, y2 = (
        _number(element, f"bndbox/{side}", where) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    left, top = max(x1 - 1, 0.0), max(y1 - 1, 0.0)
    if x2 < left or y2 < top:
        raise DataError(f"{where} ends before it starts: {x1:g} {y1:g} {x2:g} {y2:g}")
    difficult = (element.findtext("difficult") or "0").strip() not in ("", "0")
    return name, difficult, (left, top, x2 - left, y2 - top)


def _number(element: ET.Element, path: str, where: str) -> float:
    text = element.findtext(path)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= FARTHEST:  # NaN included
        given = "nothing" if text is None else repr(text)
        raise DataError(f"{where} wants a number in <{path}>, got {given}")
    return value
