"""From a frame to what a network's input holds: letterbox, color, mean and scale, rounding."""

from __future__ import annotations

import numpy as np

from edge import ops
from edge.backends.base import TensorSpec
from edge.models.base import ModelSpec, Preprocessing
from edge.types import AnyArray, Float32Array, Frame, Letterbox, UInt8Array

# Of red, green and blue in gray, in 2**-14 (ITU-R BT.601, as OpenCV rounds them).
_GRAY_WEIGHTS = (4899, 9617, 1868)
_GRAY_BITS = 14


class Preprocessor:
    """Fills a network's input from frames. Not thread safe: it reuses its buffers.

    Args:
        spec: What the network expects.
        input_: The input as its runtime takes it: dtype, layout, quantization.
    """

    def __init__(self, spec: ModelSpec, input_: TensorSpec) -> None:
        self._size, self._pre, self._input = spec.input, spec.preprocessing, input_
        # Codes that are not the pixels themselves are rounded from real values.
        self._real = None
        if not _codes_are_pixels(input_, self._pre):
            self._real = np.empty(input_.shape, np.float32)
        self._colors = None
        if self._pre.color == "GRAY":
            self._colors = np.empty((1, self._size.height, self._size.width, 3), np.uint8)

    def __call__(self, frame: Frame, view: AnyArray) -> Letterbox:
        """Fill an input; returns where the image lies in it.

        Args:
            frame: Of any size and format.
            view: `Backend.input_view`; all of it is written.
        """
        pre = self._pre
        geometry = Letterbox.fit(frame.size, self._size, pre.placement)
        out = view if self._real is None else self._real
        if self._colors is not None:
            gray = _gray(frame, geometry, self._colors, pre.pad)
            _write_gray(gray, out, pre)
        else:
            ops.letterbox(
                frame,
                geometry,
                out,
                layout=self._input.layout,
                color=pre.color,
                mean=pre.mean,
                scale=pre.scale,
                pad=pre.pad,
            )
        if self._real is not None:
            _quantize(self._real, self._input, view)
        return geometry


def _codes_are_pixels(input_: TensorSpec, pre: Preprocessing) -> bool:
    """Whether pixels, as they are or less 128, mean to the network what it was trained on."""
    if input_.dtype == "float32":
        return True
    zero = input_.zero_point + (128 if input_.dtype == "int8" else 0)
    return np.allclose(pre.scale, input_.scale, rtol=1e-4) and np.allclose(
        pre.mean, zero, atol=1e-2
    )


def _quantize(real: Float32Array, input_: TensorSpec, out: AnyArray) -> None:
    limits = np.iinfo(out.dtype)
    np.divide(real, np.float32(input_.scale), out=real)
    np.rint(real, out=real)
    real += input_.zero_point
    np.clip(real, limits.min, limits.max, out=real)
    out[...] = real


def _gray(
    frame: Frame, geometry: Letterbox, colors: UInt8Array, pad: tuple[int, int, int]
) -> UInt8Array:
    """(H, W): the letterboxed image in gray."""
    ops.letterbox(frame, geometry, colors, layout="NHWC", color="RGB", pad=(pad[0],) * 3)
    weighted = (colors[0] * np.array(_GRAY_WEIGHTS, np.uint32)).sum(-1)
    rounded: UInt8Array = ((weighted + (1 << (_GRAY_BITS - 1))) >> _GRAY_BITS).astype(np.uint8)
    return rounded


def _write_gray(gray: UInt8Array, out: AnyArray, pre: Preprocessing) -> None:
    """Into one channel: real values as float32, codes as uint8, or less 128 as int8."""
    plane = out.reshape(gray.shape)
    if out.dtype == np.float32:
        plane[...] = (gray - np.float32(pre.mean[0])) * np.float32(pre.scale[0])
    else:
        plane[...] = (gray ^ 0x80).view(np.int8) if out.dtype == np.int8 else gray
