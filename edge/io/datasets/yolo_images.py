"""The images of one part of a YOLO dataset, and what lies beside them without belonging to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError
from edge.io.datasets.base import Kind
from edge.io.datasets.files import walk
from edge.io.datasets.locate import locate
from edge.io.datasets.names import read_text
from edge.io.datasets.yolo_layout import Part, labels_folder
from edge.io.sources.images import SUFFIXES

_MAX_LINE = 4096  # characters of a path
_BESIDE = (".txt", ".yaml", ".yml", ".cache")  # that other tools keep among images


@dataclass(frozen=True, slots=True)
class Images:
    """Images that were found.

    Attributes:
        paths: In the order in which they were, one of a list perhaps twice.
        left_out: How many files of each kind.
    """

    paths: list[Path]
    left_out: Counter[Kind]


def images(part: Part, roots: Sequence[Path]) -> Images:
    """The images of a part.

    Args:
        part: Its places exist.
        roots: Folders that entries of lists may be relative to, besides the list's own.

    Raises:
        DataError: A folder or list cannot be read, or nothing that a list names is there.
    """
    collected = Images([], Counter())
    for place in part.places:
        if place.is_dir():
            for file in walk(place, part.leave):
                if file.suffix.lower() in SUFFIXES and file.is_file():
                    collected.paths.append(file)
                elif file.suffix.lower() not in _BESIDE:
                    collected.left_out["other"] += 1
        else:
            _listed(place, roots, collected)
    unique = list(dict.fromkeys(collected.paths))
    collected.left_out["repeated"] += len(collected.paths) - len(unique)
    return Images(unique, collected.left_out)


def orphans(part: Part, known: Collection[Path]) -> int:
    """How many label files there are without an image, in the folders of labels of a part."""
    count = 0
    for place in part.places:
        folder = labels_folder(place)
        if place.is_dir() and folder != place and folder.is_dir():
            leave = [labels_folder(path) for path in part.leave]
            files = [file for file in walk(folder, leave) if file.suffix == ".txt"]
            count += sum(file not in known and file.name != "classes.txt" for file in files)
    return count


def _listed(file: Path, roots: Sequence[Path], collected: Images) -> None:
    folders = list(dict.fromkeys([file.parent, *roots]))
    before, absent = len(collected.paths), ""
    for number, line in enumerate(read_text(file).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if len(text) > _MAX_LINE or "\0" in text:
            raise DataError(f"{file}:{number}: a line is the path of an image, got {text[:60]!r}")
        image = locate(text, folders)
        if image is None:
            absent = absent or f"{file}:{number}: {text}"
            collected.left_out["missing"] += 1
        elif image.path.suffix.lower() in SUFFIXES and image.path.is_file():
            collected.paths.append(image.path)
        else:
            collected.left_out["other"] += 1
    if absent and len(collected.paths) == before:
        looked = ", ".join(map(str, folders))
        raise DataError(f"{absent}: no such image, nor any other of the list; looked in {looked}")
