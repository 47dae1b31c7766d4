"""The shapes that ncnn's layers give that slide a window over an image, or pad one.

Rules as in `edge.formats.ncnn_shapes`.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.formats.ncnn_params import (
    ABSENT,
    Params,
    Shape,
    groups,
    inputs_per_output,
    kernel,
    whole,
)

_SAME_UPPER, _SAME_LOWER = -233, -234  # ncnn's codes for padding that keeps size / stride
_REFLECT = 2


def expect_channels(value: int, expected: int) -> None:
    """Refuse an input of other channels than the weights are for."""
    if value != expected:
        raise ValueError(f"the weights are for {expected} input channels, the input has {value}")


def expect_rank3(shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width; refuses another number of axes."""
    if len(shape) != 3:
        raise ValueError(f"the input is (channels, height, width), got {shape}")
    return shape[0], shape[1], shape[2]


def convolution_shape(
    params: Params, inputs: Sequence[Shape], _: int, *, grouped: bool = False
) -> Sequence[Shape]:
    """Convolution."""
    outputs = whole(params, 0, low=1)
    expected = inputs_per_output(params) * (groups(params) if grouped else 1)
    expect_channels(inputs[0][0], expected)
    kernel_h, kernel_w = kernel(params)
    if len(inputs[0]) == 1 and (kernel_h, kernel_w) == (1, 1) and not grouped:
        if whole(params, 8):  # the runtime computes it, but from the wrong numbers
            raise ValueError("an INT8 convolution of one axis is wanted as InnerProduct")
        return [(outputs,)]
    _, height, width = expect_rank3(inputs[0])
    stride_w, dilation_w = whole(params, 3, 1, low=1), whole(params, 2, 1, low=1)
    stride_h, dilation_h = whole(params, 13, stride_w, low=1), whole(params, 12, dilation_w, low=1)
    pads_h, pads_w = _pads(params)
    return [
        (
            outputs,
            _slide(height, dilation_h * (kernel_h - 1) + 1, stride_h, pads_h),
            _slide(width, dilation_w * (kernel_w - 1) + 1, stride_w, pads_w),
        )
    ]


def depthwise_shape(params: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape]:
    """ConvolutionDepthWise."""
    return convolution_shape(params, inputs, n, grouped=True)


def _pads(params: Params) -> tuple[int, int] | tuple[None, None]:
    """Rows and columns that padding adds; None where it keeps size / stride."""
    left = whole(params, 4)
    right, top = whole(params, 15, left), whole(params, 14, left)
    bottom = whole(params, 16, top)
    if left == right == top == bottom and left in (_SAME_UPPER, _SAME_LOWER):
        return None, None
    if min(left, right, top, bottom) < 0:
        raise ValueError(f"padding is at least 0, got {left}, {right}, {top} and {bottom}")
    return top + bottom, left + right


def _slide(size: int, extent: int, stride: int, pads: int | None, *, ceil: bool = False) -> int:
    if pads is None:
        return -(-size // stride)
    room = size + pads - extent
    if room < 0:
        raise ValueError(f"a window of {extent} does not fit into {size} + {pads} padding")
    return (-(-room // stride) if ceil else room // stride) + 1


def deconvolution_shape(
    params: Params, inputs: Sequence[Shape], _: int, *, grouped: bool = False
) -> Sequence[Shape] | None:
    """Deconvolution."""
    if whole(params, 20) or whole(params, 21):
        return None
    channels, height, width = expect_rank3(inputs[0])
    expected = inputs_per_output(params) * (groups(params) if grouped else 1)
    expect_channels(channels, expected)
    kernel_h, kernel_w = kernel(params)
    stride_w, dilation_w = whole(params, 3, 1, low=1), whole(params, 2, 1, low=1)
    stride_h, dilation_h = whole(params, 13, stride_w, low=1), whole(params, 12, dilation_w, low=1)
    pads_h, pads_w = _pads(params)
    if pads_w is None or pads_h is None:
        return None
    more_w = whole(params, 18, low=0)
    more_h = whole(params, 19, more_w, low=0)
    out_h = (height - 1) * stride_h + dilation_h * (kernel_h - 1) + 1 + more_h
    out_w = (width - 1) * stride_w + dilation_w * (kernel_w - 1) + 1 + more_w
    return [(whole(params, 0, low=1), out_h - pads_h, out_w - pads_w)]


def deconvolution_depthwise_shape(
    params: Params, inputs: Sequence[Shape], n: int
) -> Sequence[Shape] | None:
    """DeconvolutionDepthWise."""
    return deconvolution_shape(params, inputs, n, grouped=True)


def pooling_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    """Pooling."""
    channels, height, width = expect_rank3(inputs[0])
    if whole(params, 0) not in (0, 1):
        raise ValueError(f"parameter 0 (maximum or average) is 0 or 1, got {whole(params, 0)}")
    if whole(params, 4):
        return [(channels,)]
    if whole(params, 7):
        out_w = whole(params, 8)
        out_h = whole(params, 18, out_w)
        return [
            (
                channels,
                height if out_h == ABSENT else out_h,
                width if out_w == ABSENT else out_w,
            )
        ]
    kernel_h, kernel_w = kernel(params)
    stride_w = whole(params, 2, 1, low=1)
    stride_h = whole(params, 12, stride_w, low=1)
    mode = whole(params, 5)
    pads_w: int | None = None
    pads_h: int | None = None
    if mode in (0, 1):
        left = whole(params, 3, low=0)
        top = whole(params, 13, left, low=0)
        pads_w = left + whole(params, 14, left, low=0)
        pads_h = top + whole(params, 15, top, low=0)
    return [
        (
            channels,
            _slide(height, kernel_h, stride_h, pads_h, ceil=mode == 0),
            _slide(width, kernel_w, stride_w, pads_w, ceil=mode == 0),
        )
    ]


def padding_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    """Padding of height and width."""
    if len(inputs) > 1 or len(inputs[0]) != 3 or any(whole(params, key) for key in (6, 7, 8)):
        return None
    channels, height, width = inputs[0]
    top, bottom, left, right = (whole(params, key, low=0) for key in range(4))
    mode = whole(params, 4)
    if mode not in (0, 1, _REFLECT):
        raise ValueError(f"parameter 4 (constant, edge, reflect) is 0 to 2, got {mode}")
    if mode == _REFLECT and (max(top, bottom) >= height or max(left, right) >= width):
        raise ValueError(f"{height} x {width} is too small to be reflected so far")
    return [(channels, top + height + bottom, left + width + right)]
