"""Whether a device computes what the CPU does, asked of the model itself before it is used.

Drivers of small boards are known to compute wrongly without saying so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.backends.base import Backend
from edge.errors import BackendError
from edge.types import AnyArray, Float32Array

_DECIBELS = 25.0  # SQNR; float16 leaves some 50 dB of a detector, a wrong shader next to none


def compare(backend: Backend, expected: Backend, outputs: Sequence[str], device: str) -> None:
    """Run a model on an image of noise here and there. Leaves the inputs at zero.

    Args:
        backend: On the device.
        expected: The same on the CPU.
        outputs: Their names.
        device: For the message.

    Raises:
        BackendError: The outputs differ by more than half floats explain; names one.
    """
    for name, here, there in zip(outputs, _run(backend), _run(expected), strict=True):
        ratio = _decibels(here, there)
        if not ratio >= _DECIBELS:
            raise BackendError(
                f"{device} does not compute what the CPU does: the output {name} has an SQNR of "
                f"{ratio:.1f} dB, {_DECIBELS:.0f} dB are wanted; use --device cpu"
            )


def _run(backend: Backend) -> tuple[Float32Array, ...]:
    view = backend.input_view()
    view[...] = _noise(view)
    outputs = tuple(np.array(tensor.values, np.float32) for tensor in backend.run())
    view[...] = 0
    return outputs


def _noise(like: AnyArray) -> AnyArray:
    """The same for every backend: from 0 to 1, or all codes."""
    noise = np.random.default_rng(0).random(like.shape, np.float32)
    if np.issubdtype(like.dtype, np.floating):
        return noise
    limits = np.iinfo(like.dtype)
    return np.rint(limits.min + noise * (limits.max - limits.min))


def _decibels(values: Float32Array, expected: Float32Array) -> float:
    if values.shape != expected.shape or not np.isfinite(values).all():
        return -np.inf
    noise = float(((values.astype(np.float64) - expected) ** 2).sum())
    signal = float((expected.astype(np.float64) ** 2).sum())
    return float(10 * np.log10(max(signal, 1e-30) / noise)) if noise else np.inf
