"""The parameters of an ncnn layer, checked as they are read.

These functions raise ValueError with the bare reason; who calls them knows file and layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, prod
from types import MappingProxyType
from typing import TypeAlias

Value: TypeAlias = "int | float | str | tuple[int | float, ...]"
Params: TypeAlias = Mapping[int, Value]
Shape: TypeAlias = tuple[int, ...]  # slowest axis first: (c, h, w), (h, w) or (w,)

ABSENT = -233  # ncnn's code for "no such axis" and for "what remains"
FLOAT32_MAX = 3.402823e38  # the default bounds of Clip

_SIZE_OF = re.compile(r"([0-9])([whdc])")
_LITERAL = re.compile(r"[+-]?\d{1,9}(\.\d{0,9})?")
_UNARY: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {"abs": abs, "neg": lambda a: -a, "trunc": int, "ceil": ceil, "floor": floor}
)
_BINARY: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "//": lambda a, b: a // b,
        "max": max,
        "min": min,
    }
)


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


def expression(text: str, inputs: Sequence[Shape]) -> list[int]:
    """The numbers that a text like "*(0w,2),1h,-1" stands for: sizes of input blobs, reckoned with.

    Args:
        text: Comma-separated, operators before their operands; with or without quotes.
        inputs: Shapes that the digits in it count.

    Raises:
        ValueError: It cannot be read.
    """
    stack: list[float] = []
    for token in reversed([t for t in re.split(r"[(),]", text.strip('"')) if t]):
        if size := _SIZE_OF.fullmatch(token):
            blob = int(size[1])
            if blob >= len(inputs):
                raise ValueError(f"{text} counts {blob + 1} inputs, there are {len(inputs)}")
            stack.append(_side(inputs[blob], size[2]))
        elif _LITERAL.fullmatch(token):
            stack.append(float(token) if "." in token else int(token))
        else:
            operands = 2 if token in _BINARY else 1 if token in _UNARY else 0
            if not operands or len(stack) < operands:
                raise ValueError(f"{text} is not read here, because of {token!r}")
            taken = [stack.pop() for _ in range(operands)]
            if operands == 2 and token.startswith("/") and not taken[1]:
                raise ValueError(f"{text} divides by 0")
            operate: Callable[..., float] = _BINARY[token] if operands == 2 else _UNARY[token]
            stack.append(operate(*taken))
    if not stack:
        raise ValueError(f"{text} holds no number")
    return [int(number) for number in reversed(stack)]


def _side(shape: Shape, axis: str) -> int:
    """A size by ncnn's name of its axis; 1 where a blob has none such."""
    if axis == "w":
        return shape[-1]
    if axis == "h":
        return shape[-2] if len(shape) > 1 else 1
    if axis == "d":
        return shape[1] if len(shape) == 4 else 1
    return shape[0] if len(shape) > 2 else 1
