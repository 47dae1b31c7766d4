"""The runtimes that files are written for: one frozen value each, in a module of its name.

How a file is written stands in `calibration.emit`, which has a module of the same name for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from calibration.runtimes import mnn, ncnn, onnxruntime, tflite
from calibration.runtimes.base import Runtime
from edge.errors import UnsupportedModelError

__all__ = ["REFERENCE", "RUNTIMES", "STANDS_FOR", "USUAL", "Runtime", "runtime"]

# To add one: write its module and its emitter, add its row. Keys as in `edge.backends.BACKENDS`.
RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {each.name: each for each in (ncnn.RUNTIME, mnn.RUNTIME, tflite.RUNTIME, onnxruntime.RUNTIME)}
)

USUAL = ncnn.RUNTIME.name  # what a file is for where no runtime is named
REFERENCE = onnxruntime.RUNTIME.name  # in floats, what all others are compared with

# Scheme to the runtime whose INT8 is simulated while the scheme is sought.
STANDS_FOR: Mapping[str, Runtime] = MappingProxyType(
    {each.scheme: each for each in (ncnn.RUNTIME, tflite.RUNTIME)}
)


def runtime(name: str) -> Runtime:
    """A runtime by its name.

    Raises:
        UnsupportedModelError: Nothing is known of it.
    """
    if name not in RUNTIMES:
        raise UnsupportedModelError(f"unknown target {name!r}; known: {', '.join(RUNTIMES)}")
    return RUNTIMES[name]
