"""What is to be known of a runtime: what of it computes in INT8, and how its files are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.backends.base import ModelFiles, Precision
from edge.types import Layout

# Operators that runtimes with INT8 activations hand codes through; of Resize the nearest alone.
PASS_THROUGH = frozenset({"Concat", "MaxPool", "Resize", "DepthToSpace", "Slice", "Split", "Pad"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One runtime.

    Attributes:
        name: Key into `edge.backends.BACKENDS`.
        scheme: Key into `QuantSpec.schemes`: the ranges that were sought for it.
        symmetric: Codes are -127 to 127 and zero is 0; else -128 to 127 and zero is any.
        stores: Results of layers are kept as codes wherever they go; else only from layer to
            layer, since no other operator takes codes.
        fused: Activations that a layer computes on its accumulators, where they alone read it.
        pass_through: Operators that hand on codes: inputs and outputs have the same parameters.
        activations: Operators from codes to codes with other parameters.
        grouped: It computes convolutions in groups that are not depthwise.
        integer_bias: Biases become int32 at the scale of the accumulator.
        layout: Of the input.
        precision: Of stored floats where nothing is said: what its own tools write.
        half_beside_int8: What stays float in an INT8 file is stored as float16.
        winograd: It computes convolutions by Winograd's method, and can be asked not to.
        wide_winograd: In INT8 that method holds sums that can overflow: only layers whose weights
            exclude it may use it.
        one_sided_pools: Its MaxPool compares codes wrongly that are on both sides of zero.
        int8_names: From a file, by suffix, the names that those layers have in it which compute
            on codes, as the runtime sees it; see `calibration.emit` for these names.
    """

    name: str
    scheme: str
    symmetric: bool
    stores: bool
    fused: frozenset[str]
    pass_through: frozenset[str] = frozenset()
    activations: frozenset[str] = frozenset()
    grouped: bool = False
    integer_bias: bool = True
    layout: Layout = "NCHW"
    precision: Precision = "fp32"
    half_beside_int8: bool = False
    winograd: bool = False
    wide_winograd: bool = False
    one_sided_pools: bool = False
    int8_names: Callable[[ModelFiles], frozenset[str]]
