"""`data.yaml`: the file of a YOLO dataset that names its classes and says where its splits lie.

Read are those of Ultralytics, Roboflow and YOLOv5 to YOLOv7: the keys `names`, `nc`, `path`, and
`train`, `val` (or `valid`, `validation`) and `test`, each a folder, a list of images (.txt), or
several of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import DataError
from edge.formats import yaml
from edge.io.datasets.names import class_names, read_text

SPLITS = ("train", "val", "valid", "validation", "test")
SUFFIXES = (".yaml", ".yml")
_USUAL = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NOTHING = ("", "~", "null", "Null", "NULL")
_MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class DataFile:
    """What the file says.

    Attributes:
        file: The file itself.
        names: Of the classes, by class id; None where it names none.
        path: What the splits are relative to; "" for the file's folder.
        splits: Where each of them lies.
        fetches: Whether it says how the data is fetched, which is not done here.
    """

    file: Path
    names: tuple[str, ...] | None
    path: str
    splits: Mapping[str, tuple[str, ...]]
    fetches: bool

    @property
    def says_something(self) -> bool:
        """Whether it is about a dataset at all."""
        return self.names is not None or bool(self.splits)


def read(file: Path) -> DataFile:
    """Read the file.

    Raises:
        DataError: It cannot be read, or one of the keys has a value of another form.
    """
    text = read_text(file, _MAX_BYTES)
    try:
        values = yaml.read(text, ("names", "nc", "path", *SPLITS))
    except ValueError as error:
        raise DataError(f"{file}: {error}") from error
    names = None if "names" not in values else class_names(values["names"], file)
    count = values.get("nc", "")
    is_count = isinstance(count, str) and re.fullmatch("[0-9]{1,9}", count)
    if names is not None and is_count and int(str(count)) != len(names):
        raise DataError(f"{file}: 'nc' says {count} classes, 'names' has {len(names)}")
    paths = {key: _paths(values[key], key, file) for key in ("path", *SPLITS) if key in values}
    path = paths.pop("path", ())
    if len(path) > 1:
        raise DataError(f"{file}: 'path' is one folder, found {len(path)}")
    return DataFile(
        file,
        names,
        path[0] if path else "",
        {key: places for key, places in paths.items() if places},
        re.search(r"^download[ \t]*:[ \t]*\S", text, re.MULTILINE) is not None,
    )


def of_folder(folder: Path) -> DataFile | None:
    """The data file of a folder: the usual one, else the only one that names classes or splits.

    Raises:
        DataError: Several differ; names them. Or one cannot be read.
    """
    files = sorted(path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}"))
    usual = [path for path in files if path.name.casefold() in _USUAL]
    for some in (usual, files):
        descriptions = [data for data in map(read, some) if data.says_something]
        if descriptions and any(
            replace(data, file=descriptions[0].file) != descriptions[0] for data in descriptions
        ):
            several = ", ".join(data.file.name for data in descriptions)
            raise DataError(f"{folder}: {several} name different classes or splits; name one")
        if descriptions:
            return descriptions[0]
    return None


def _paths(node: yaml.Node, key: str, file: Path) -> tuple[str, ...]:
    items = node if isinstance(node, list) else [node]
    texts = [item.strip() for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        raise DataError(f"{file}: {key!r} is a path or a list of paths, found {str(node)[:60]}")
    return tuple(text for text in texts if text not in _NOTHING)
