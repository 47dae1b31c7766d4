"""What a dataset is made of, in one line, to be read before hours of work begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edge.io.datasets.base import Dataset, Kind, Sample
from edge.text import printable

_KINDS: Mapping[Kind, tuple[str, str]] = MappingProxyType(
    {
        "orphan": ("label file without an image", "label files without an image"),
        "missing": ("listed image that is not there", "listed images that are not there"),
        "repeated": ("image that is there twice", "images that are there twice"),
        "other": ("file that is no image", "files that are no images"),
        "unlabeled": ("image of a split without labels", "images of a split without labels"),
        "held_out": ("image that is held out", "images that are held out"),
    }
)


def summary(parts: Mapping[str, Dataset]) -> list[str]:
    """Lines: the images of each split and what is left out, then each warning.

    Args:
        parts: What is used, by what it is called where it has no splits of its own; "" for the
            only one.
    """
    left_out: Counter[Kind] = Counter()
    for dataset in parts.values():
        left_out.update(dataset.left_out)
    used = [text for name, dataset in parts.items() for text in _by_split(name, dataset)]
    line = f"data: {', '.join(used)}"
    if +left_out:
        line += "; left out: " + ", ".join(
            _counted(count, *_KINDS[kind]) for kind, count in sorted((+left_out).items())
        )
    warnings = dict.fromkeys(text for dataset in parts.values() for text in dataset.warnings)
    return [printable(line), *(f"note: {printable(text)}" for text in warnings)]


def _by_split(name: str, dataset: Dataset) -> list[str]:
    splits: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        splits.setdefault(sample.split or name, []).append(sample)
    return [_described(split, samples) for split, samples in sorted(splits.items())]


def _described(split: str, samples: Sequence[Sample]) -> str:
    objects = sum(len(sample.labels) for sample in samples)
    background = sum(not sample.has_labels for sample in samples)
    inside = _counted(objects, "object", "objects")
    if background:
        inside += f"; {background} without a label file"
    return f"{split} {_counted(len(samples), 'image', 'images')} ({inside})".lstrip()


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
