"""From frames to network inputs."""

from __future__ import annotations

from collections.abc import Sequence

from edge.ops.extension import native
from edge.types import AnyArray, Colour, Frame, Layout, Letterbox


def letterbox(
    frame: Frame,
    geometry: Letterbox,
    out: AnyArray,
    *,
    layout: Layout = "NCHW",
    colour: Colour = "RGB",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    scale: Sequence[float] = (1 / 255, 1 / 255, 1 / 255),
    pad: Sequence[int] = (114, 114, 114),
    target: str | None = None,
) -> None:
    """Resize, pad, convert and normalise a frame into a network input.

    The pixels are those of `cv2.resize(INTER_LINEAR)` and `copyMakeBorder`, bit for bit.

    Args:
        frame: Any pixel format; rows contiguous, any row stride.
        geometry: Where the image goes; for an image of the frame's size.
        out: Overwritten. (3, H, W) or (1, 3, H, W) by "NCHW", rows contiguous; (H, W, 3) or
            (1, H, W, 3) by "NHWC", pixels contiguous. float32 takes (pixel - mean) * scale,
            uint8 the pixel, int8 the pixel minus 128.
        layout: Order of the axes of `out`.
        colour: Order of the channels of `out`.
        mean: Per channel, in the order of `colour`; float32 only.
        scale: Likewise.
        pad: Pixel value around the image, in the order of `colour`.
        target: SIMD target.

    Raises:
        TypeError: An array has another dtype, or gaps inside its rows.
        ValueError: A shape, the placement or the padding does not fit.

    Example:
        >>> import numpy as np
        >>> from edge import Frame, Letterbox, Size, ops
        >>> frame = Frame.of(np.full((480, 640, 3), 255, np.uint8))
        >>> out = np.empty((1, 3, 320, 320), np.float32)
        >>> ops.letterbox(frame, Letterbox.fit(frame.size, Size(320, 320)), out)
        >>> float(out[0, 0, 160, 160]), round(float(out[0, 0, 0, 0]), 3)  # the image, the padding
        (1.0, 0.447)
    """
    image, input_ = geometry.image, geometry.input
    native.letterbox(
        frame.planes,
        frame.format,
        (image.height, image.width),
        (input_.height, input_.width),
        (geometry.top, geometry.left, geometry.resized.height, geometry.resized.width),
        out,
        layout == "NHWC",
        colour == "RGB",
        mean,
        scale,
        pad,
        target,
    )
