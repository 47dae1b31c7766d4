"""What layouts pass to the kernels."""

from __future__ import annotations

from typing import TypedDict

from edge.models.base import ModelSpec, OutputLayout, Parts, Scoring, Unit

TOGETHER: Parts = (("boxes", "objectness", "classes"),)
APART: Parts = (("classes",), ("boxes",))


class Options(TypedDict):
    """What most decoders are told of scoring."""

    score_threshold: float
    multi_label: bool


def options(layout: OutputLayout, scoring: Scoring) -> Options:
    """Scoring, as the kernels take it."""
    return {
        "score_threshold": scoring.threshold,
        "multi_label": scoring.multi_label or layout.every_class,
    }


def pixels_per(unit: Unit, spec: ModelSpec) -> tuple[float, float]:
    """Input pixels per unit of boxes: horizontally, vertically."""
    if unit == "fractions":
        return float(spec.input.width), float(spec.input.height)
    return 1.0, 1.0
