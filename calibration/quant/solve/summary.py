"""How a calibration came about, as plain values for a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from calibration.quant.observe.histograms import Histogram
from calibration.quant.observe.observers import clipped_share
from calibration.quant.spec.spec import QuantSpec

_BINS = 64


def summary(
    spec: QuantSpec,
    histograms: Mapping[str, Mapping[str, Histogram]],
    solved: Mapping[str, Any],
    cpu_seconds: float,
) -> dict[str, Any]:
    """The facts: numbers, texts, lists and objects alone.

    Returns:
        "images", "recipe", "seed", "cpu_seconds"; "schemes" by name, each with what
        `stages.solve` gives ("target", "observers": objective by observer, "sensitivity":
        objective with one layer alone in INT8, "steps", "weights_only", "activations_only",
        "objective", "float_share", "operations"); "equalization": the objective by how tensors
        are equalized, empty where that was not tried; "histograms" by tensor, each with "low",
        "high" and "counts" of equal bins between; and "ranges" by tensor, each with "low", "high"
        and the share of values "clipped".
    """
    schemes = {}
    for name, scheme in spec.schemes.items():
        ranges = {
            tensor: {"low": low, "high": high, "clipped": clipped_share(values, (low, high))}
            for tensor, (low, high) in sorted(scheme.ranges.items())
            if (values := histograms[name].get(tensor)) is not None
        }
        schemes[name] = {
            **solved[name],
            "histograms": {
                tensor: _coarse(each) for tensor, each in sorted(histograms[name].items())
            },
            "ranges": ranges,
            "float_layers": dict(scheme.float_layers),
        }
    return {
        "images": spec.count,
        "recipe": spec.recipe,
        "seed": spec.seed,
        "cpu_seconds": round(cpu_seconds, 1),
        "schemes": schemes,
    }


def _coarse(histogram: Histogram) -> dict[str, Any]:
    values, counts = histogram.bins()
    if not len(values) or histogram.low >= histogram.high:
        return {"low": 0.0, "high": 0.0, "counts": []}
    coarse, _ = np.histogram(values, _BINS, (histogram.low, histogram.high), weights=counts)
    return {
        "low": histogram.low,
        "high": histogram.high,
        "counts": coarse.astype(np.int64).tolist(),
    }
