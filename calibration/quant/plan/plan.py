"""What one runtime computes in INT8: the quantization spec, carried out on a graph.

A `Plan` is complete and exact. The simulator and every emitter read it, and nothing else, so that
they cannot disagree about a scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.types import Float32Array, Int8Array


@dataclass(frozen=True, slots=True)
class QuantParams:
    """The codes of a tensor: real = scale * (code - zero_point), low <= code <= high.

    Codes are written as int8 here. A runtime that wants uint8 adds 128 to zero point and limits.

    Attributes:
        scale: Real value of one code's width, positive.
        zero_point: The code of zero.
        low: The least code.
        high: The greatest code.
    """

    scale: float
    zero_point: int = 0
    low: int = -127
    high: int = 127


@dataclass(frozen=True, slots=True, eq=False)
class Int8Layer:
    """A convolution on codes: int32 accumulators of input codes less their zero point.

    Attributes:
        weight: (O, I/groups, kh, kw) int8 codes; real = weight_scales[o] * code.
        weight_scales: (O,) float32, positive.
        bias: (O,) float32, in real values; every layer has one.
        winograd: ncnn alone: it may use Winograd's algorithm on this layer, because no sum of
            codes can overflow in it.
    """

    weight: Int8Array
    weight_scales: Float32Array
    bias: Float32Array
    winograd: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is INT8 in one runtime, by the names of one graph.

    Attributes:
        target: Key into `edge.backends.BACKENDS`.
        tensors: The parameters of each tensor that an INT8 node reads or that is kept as codes.
            An INT8 node reads such a tensor rounded by them.
        kept_in_int8: Those that exist as codes only, so that float nodes too read them rounded. The
            others are float, and INT8 nodes round them as they read.
        layers: The convolutions that compute on codes, by node name. An activation that the
            runtime fuses (`structure.fused`) is part of its layer: it passes nothing through, and
            the tensor between the two has no parameters.
        pass_through: Names of other nodes that handle codes without computing: Concat, MaxPool and
            so on, whose inputs and outputs have the same parameters; and activations. What they
            return is kept as codes; what they read may be float, and is then rounded.
    """

    target: str
    tensors: Mapping[str, QuantParams]
    kept_in_int8: frozenset[str]
    layers: Mapping[str, Int8Layer]
    pass_through: frozenset[str]
