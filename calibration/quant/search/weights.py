"""Scales of weights, one for each output channel."""

from __future__ import annotations

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant.plan.planning import weight_codes
from calibration.quant.spec.spec import LayerSpec
from edge.types import Float32Array

_RATIOS = np.linspace(0.6, 1.0, 41)


def largest(graph: Graph, node: Node) -> LayerSpec:
    """Scales that cover the largest weight of each channel."""
    return LayerSpec(_scales(graph.constants[node.inputs[1]]))


def least_error(graph: Graph, node: Node) -> LayerSpec:
    """Scales with the least mean squared error of each channel's weights."""
    weight = graph.constants[node.inputs[1]]
    rows = weight.reshape(len(weight), -1)
    full = _scales(weight)
    errors = []
    for ratio in _RATIOS:
        scales = (full * ratio).astype(np.float32)
        real = weight_codes(rows, scales) * scales[:, None]
        errors.append(((real - rows) ** 2).sum(1))
    best = _RATIOS[np.argmin(np.stack(errors), axis=0)]
    return LayerSpec((full * best).astype(np.float32))


def _scales(weight: Float32Array) -> Float32Array:
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    # A channel without weights needs a scale all the same: that of the largest.
    usable = np.where(largest > 0, largest, largest.max(initial=0) or 127.0)
    return np.asarray(usable / 127, np.float32)
