"""Images with labels, in the forms that other tools write."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from edge.errors import DataError
from edge.io.datasets import conveyor
from edge.io.datasets.base import Dataset, Objects, Sample
from edge.io.datasets.images import Images
from edge.io.datasets.summary import summary
from edge.io.sources.images import SUFFIXES
from edge.paths import exists

__all__ = [
    "FORMATS",
    "Dataset",
    "Images",
    "Objects",
    "Sample",
    "open_dataset",
    "split_names",
    "summary",
]  # fmt: skip


class Format(Protocol):
    """What the module of a format offers."""

    WANTED: str  # the files that make up such a dataset, for messages

    def recognizes(self, path: Path) -> bool:
        """Whether an existing path looks like this format."""

    def split_names(self, path: Path) -> tuple[str, ...]:
        """The parts that `read` can choose from, without reading them."""

    def read(self, path: Path, split: str | None = None, *, labels: bool = True) -> Dataset:
        """Read the labels, or leave them be; images are only looked up.

        Raises:
            DataError: What is there is not usable.
        """


# The first that recognizes the path reads it; folders that tools made from COCO's hold its JSON
# beside their own labels, so that comes last. To add a format: write its module, add its row.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "VOC": "edge.io.datasets.voc",
        "YOLO": "edge.io.datasets.yolo",
        "COCO": "edge.io.datasets.coco",
    }
)


def open_dataset(address: str | Path, split: str | None = None, *, labels: bool = True) -> Dataset:
    """The dataset at a path, whatever its format; or frames of `test:conveyor`.

    Args:
        address: A folder or file; `PATH?split=NAME` chooses a part, as `split` does. Or the address
            of a test source that says how many frames, `test:conveyor?seed=N&frames=N`.
        split: One of `Dataset.splits`, or what it is for: train, val or test. None: everything.
        labels: Whether to read them, whatever state they are in; else no image has objects.

    Raises:
        DataError: Nothing is there, it is of no known format, or its labels are not usable.
        SourceError: The address of a test source is not of its form.
    """
    path, asked = _split_of(str(address), split)
    if _is_test(path):
        return conveyor.read(str(path).removeprefix("test:"), asked)
    dataset = _format(path).read(path, asked, labels=labels)
    if not dataset.samples:
        raise DataError(f"{address}: no images in it")
    return dataset


def split_names(address: str | Path) -> tuple[str, ...]:
    """The parts of a dataset that can be chosen from; none where the address has chosen one.

    Raises:
        DataError: As `open_dataset`.
    """
    path, asked = _split_of(str(address), None)
    return () if asked is not None or _is_test(path) else _format(path).split_names(path)


def _split_of(address: str, split: str | None) -> tuple[Path, str | None]:
    if "?split=" in address and not exists(Path(address), DataError):
        address, _, split = address.rpartition("?split=")
    return Path(address), split


def _is_test(path: Path) -> bool:
    return str(path).startswith("test:") and not exists(path, DataError)


def _format(path: Path) -> Format:
    if not exists(path, DataError):
        raise DataError(f"{path}: no such file or folder")
    formats: list[Format] = [importlib.import_module(name) for name in FORMATS.values()]
    for format_ in formats:
        if format_.recognizes(path):
            return format_
    known = "; ".join(format_.WANTED for format_ in formats)
    raise DataError(
        f"{path}: {_inside(path)}, which is no dataset known here. {_hint(path)}Wanted {known}"
    )


def _inside(path: Path) -> str:
    if not path.is_dir():
        return "a file"
    names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in path.iterdir())
    some = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    return f"a folder with {some}" if names else "an empty folder"


def _hint(path: Path) -> str:
    """What to do where labels lie beside their images."""
    files = list(path.iterdir()) if path.is_dir() else []
    images = {file.stem for file in files if file.suffix.lower() in SUFFIXES}
    beside = {file.suffix.lower() for file in files if file.stem in images}
    if ".txt" in beside:
        return (
            "Images with YOLO labels beside them: name a data.yaml there that says `train: .`, and "
            "where the split val lies. "
        )
    if ".xml" in beside:
        return "Images with VOC labels beside them: move these to Annotations/ and JPEGImages/. "
    return ""
