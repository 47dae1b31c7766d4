"""Pictures with labels, in the forms that other tools write."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from edge.errors import DataError
from edge.io.datasets import conveyor
from edge.io.datasets.base import Dataset, Objects, Sample
from edge.io.datasets.pictures import Pictures
from edge.paths import exists

__all__ = ["FORMATS", "Dataset", "Objects", "Pictures", "Sample", "open_dataset"]


class Format(Protocol):
    """What the module of a format offers."""

    WANTED: str  # the files that make up such a dataset, for messages

    def recognises(self, path: Path) -> bool:
        """Whether an existing path looks like this format."""

    def read(self, path: Path, split: str | None = None) -> Dataset:
        """Read the labels; pictures are only looked up.

        Raises:
            DataError: What is there is not usable.
        """


# The first that recognises the path reads it; folders that tools made from COCO's hold its JSON
# beside their own labels, so that comes last. To add a format: write its module, add its row.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "VOC": "edge.io.datasets.voc",
        "YOLO": "edge.io.datasets.yolo",
        "COCO": "edge.io.datasets.coco",
    }
)


def open_dataset(address: str | Path, split: str | None = None) -> Dataset:
    """The dataset at a path, whatever its format; or frames of `test:conveyor`.

    Args:
        address: A folder or file; `PATH?split=NAME` chooses a part, as `split` does. Or the address
            of a test source that says how many frames, `test:conveyor?seed=N&frames=N`.
        split: One of `Dataset.splits`; None: everything.

    Raises:
        DataError: Nothing is there, it is of no known format, or its labels are not usable.
        SourceError: The address of a test source is not of its form.
    """
    text = str(address)
    if "?split=" in text and not exists(Path(text), DataError):
        text, _, split = text.rpartition("?split=")
    path = Path(text)
    there = exists(path, DataError)
    if text.startswith("test:") and not there:
        return conveyor.read(text.removeprefix("test:"), split)
    if not there:
        raise DataError(f"{path}: no such file or folder")
    formats: list[Format] = [importlib.import_module(name) for name in FORMATS.values()]
    for format_ in formats:
        if format_.recognises(path):
            dataset = format_.read(path, split)
            if not dataset.samples:
                raise DataError(f"{address}: no pictures in it")
            return dataset
    wanted = "; ".join(format_.WANTED for format_ in formats)
    raise DataError(f"{path}: {_inside(path)}, which is no dataset known here. Wanted {wanted}")


def _inside(path: Path) -> str:
    if not path.is_dir():
        return "a file"
    names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in path.iterdir())
    some = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    return f"a folder with {some}" if names else "an empty folder"
