"""Names of classes."""

from __future__ import annotations

from collections.abc import Sequence


def label_of(class_id: int, labels: Sequence[str]) -> str:
    """The label of a class, or its number where it has none."""
    return labels[class_id] if 0 <= class_id < len(labels) else str(class_id)
