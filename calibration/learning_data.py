"""Which images of a dataset a network may learn from, and which are held out to judge it.

A held-out image is never learned from. Data says in many ways what is held out, and two splits may
name one file; so besides the split it is each file, links followed, that is kept from what is
learned. Copies of held-out images under other names are counted and said: they may be meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.errors import DataError
from edge.io.datasets import Dataset, Sample, open_dataset, split_names
from edge.io.datasets.files import resolved
from edge.io.datasets.splits import role


def training_data(address: str, *, labels: bool = True) -> Dataset:
    """What may be learned from: the split `train`, else all that is in neither `val` nor `test`.

    Args:
        address: As of `open_dataset`; the split that it names is taken, whatever it is.
        labels: Whether to read them.

    Raises:
        DataError: There is nothing.
    """
    names = split_names(address)
    roles = {role(name) for name in names}
    if "train" in roles:
        return open_dataset(address, "train", labels=labels)
    data = open_dataset(address, labels=labels)
    for other in ("val", "test"):
        if other in roles:
            data = without(data, open_dataset(address, other, labels=False).samples)
    if not names:
        return data
    why = f"no split is for training ({', '.join(names)}): used is all that is not held out"
    return replace(data, warnings=(*data.warnings, why))


def held_out_data(address: str) -> Dataset:
    """What judges: the split `val`, or all where there is none or the address names one.

    Raises:
        DataError: There is nothing.
    """
    has_val = "val" in {role(name) for name in split_names(address)}
    return open_dataset(address, "val" if has_val else None)


def without(data: Dataset, held_out: Sequence[Sample]) -> Dataset:
    """A dataset without the images that are held out; how many they were is in `left_out`.

    Raises:
        DataError: No image remains.
    """
    rest = apart(data.samples, held_out)
    if not rest:
        raise DataError(
            f"{data.path}: all {len(data)} images to learn from are held out to judge by; the two "
            "must be different images"
        )
    count = data.left_out.get("held_out", 0) + len(data) - len(rest)
    warnings = data.warnings
    if copied := _copies(rest, held_out):
        warnings += (f"{copied} of the images to learn from are copies of held-out ones",)
    return replace(
        data, samples=rest, left_out={**data.left_out, "held_out": count}, warnings=warnings
    )


def apart(samples: Sequence[Sample], held_out: Sequence[Sample]) -> tuple[Sample, ...]:
    """Those samples whose image is none that is held out, by whatever path or link."""
    files = _files(held_out)
    return tuple(
        sample
        for sample, names in zip(samples, map(_names, _real(samples)), strict=True)
        if not names & files
    )


def _files(samples: Sequence[Sample]) -> set[object]:
    return set().union(*map(_names, _real(samples)))


def _real(samples: Sequence[Sample]) -> list[Path]:
    return resolved(sample.path for sample in samples)


def _names(path: Path) -> set[object]:
    """What a file is known by: its path without links, and its number in the file system."""
    try:
        facts = path.stat()
    except OSError:  # rendered, or said when it is read
        return {path}
    return {path, (facts.st_dev, facts.st_ino)} if facts.st_ino else {path}


def _copies(samples: Sequence[Sample], held_out: Sequence[Sample]) -> int:
    contents = _Contents([sample.path for sample in held_out if sample.render is None])
    return sum(sample.render is None and sample.path in contents for sample in samples)


class _Contents:
    """What is in some files; a file of another size is not even opened."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._by_size: dict[int, list[Path]] = {}
        self._hashes: dict[int, set[bytes]] = {}
        for file in files:
            self._by_size.setdefault(_size(file), []).append(file)

    def __contains__(self, file: Path) -> bool:
        size = _size(file)
        if size <= 0 or size not in self._by_size:
            return False
        if size not in self._hashes:
            self._hashes[size] = {_hash(other) for other in self._by_size[size]}
        return _hash(file) in self._hashes[size]


def _size(file: Path) -> int:
    """In bytes; -1 where there is no file, which is said when it is read."""
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _hash(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from error
