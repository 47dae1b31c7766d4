"""From the canonical graph to the files of each runtime: one module each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from calibration.emit import ncnn, onnxruntime
from calibration.emit.base import CannotEmitError, Emit

# Keys as in `edge.backends.BACKENDS`. To add one: write its module, add its row.
EMITTERS: Mapping[str, Emit] = MappingProxyType(
    {"ncnn": ncnn.emit, "onnxruntime": onnxruntime.emit}
)

__all__ = ["EMITTERS", "CannotEmitError", "Emit"]
