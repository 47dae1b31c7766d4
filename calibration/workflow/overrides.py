"""What is said of a model instead of recognized, from the keywords of a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge.overrides import Overrides
from edge.types import Size


def overrides(
    family: str | None,
    labels: Sequence[str] | None,
    imgsz: int | str | Size | None,
    license: str | None,
    reading: Overrides | None = None,
) -> Overrides:
    """What `edge.recognize` takes.

    Args:
        family: Key into `edge.models.FAMILIES`; None recognizes it.
        labels: Class names; None takes the model's own.
        imgsz: Input size: a side, "HxW" or a `Size`; None takes the model's own.
        license: Of the weights, SPDX; None takes the model's own.
        reading: All that is said; the others take precedence over what it holds.

    Raises:
        ValueError: The size is none.
    """
    size = imgsz if imgsz is None or isinstance(imgsz, Size) else Size.parse(str(imgsz))
    names = None if labels is None else tuple(labels)
    named = {"family": family, "labels": names, "input": size, "license": license}
    changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    return replace(reading or Overrides(), **changes)
