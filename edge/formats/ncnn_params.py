"""The parameters of an ncnn layer, checked as they are read.

These functions raise ValueError with the bare reason; who calls them knows file and layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TypeAlias

Value: TypeAlias = "int | float | str | tuple[int | float, ...]"
Params: TypeAlias = Mapping[int, Value]
Shape: TypeAlias = tuple[int, ...]  # slowest axis first: (c, h, w), (h, w) or (w,)

ABSENT = -233  # ncnn's code for "no such axis" and for "what remains"
FLOAT32_MAX = 3.402823e38  # the default bounds of Clip


def whole(params: Params, key: int, default: int = 0, *, low: int = -(2**31)) -> int:
    """The whole number under a key.

    Raises:
        ValueError: It is something else, or below `low`.
    """
    value = params.get(key, default)
    if not isinstance(value, int):
        raise ValueError(f"parameter {key} is a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"parameter {key} is at least {low}, got {value}")
    return value


def real(params: Params, key: int, default: float) -> float:
    """The number under a key.

    Raises:
        ValueError: It is something else.
    """
    value = params.get(key, default)
    if not isinstance(value, (int, float)):
        raise ValueError(f"parameter {key} is a number, got {value!r}")
    return float(value)


def array(params: Params, key: int) -> tuple[int | float, ...]:
    """The numbers under a key; empty where it is absent.

    Raises:
        ValueError: It is a single value.
    """
    value = params.get(key, ())
    if not isinstance(value, tuple):
        raise ValueError(f"parameter {key} is an array, got {value!r}")
    return value


def kernel(params: Params) -> tuple[int, int]:
    """Height and width of a window."""
    width = whole(params, 1, low=1)
    return whole(params, 11, width, low=1), width


def groups(params: Params) -> int:
    """Groups of a convolution; its outputs divide into them."""
    result, outputs = whole(params, 7, 1, low=1), whole(params, 0, low=1)
    if outputs % result:
        raise ValueError(f"{outputs} outputs do not divide into {result} groups")
    return result


def inputs_per_output(params: Params) -> int:
    """Input channels that one output channel of a convolution reads."""
    size, cell = whole(params, 6, low=1), whole(params, 0, low=1) * prod(kernel(params))
    if size % cell:
        raise ValueError(f"{size} weights do not divide into outputs x kernel = {cell}")
    return size // cell


def memory_shape(params: Params) -> Shape:
    """Shape of a MemoryData."""
    sizes = [whole(params, key, low=0) for key in (2, 11, 1, 0)]
    while len(sizes) > 1 and sizes[0] == 0:
        del sizes[0]  # an axis that it does not have
    if sizes[0] and len(sizes) == 4 and sizes[1] == 0:
        del sizes[1]  # channels without depth
    if 0 in sizes:
        raise ValueError(f"its shape {tuple(sizes)} holds no values")
    return tuple(sizes)
