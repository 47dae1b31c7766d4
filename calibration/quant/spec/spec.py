"""The quantization of a model as a file: what was decided, from which everything follows.

A spec says ranges, not codes, so that one serves runtimes of different schemes. It is readable
JSON that may be edited; the same calibration gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from edge.types import Float32Array, Int8Array

Range: TypeAlias = tuple[float, float]  # least and greatest real value that has a code

FORMAT = 3


@dataclass(frozen=True, slots=True, eq=False)
class LayerSpec:
    """What is special about a convolution in INT8.

    Attributes:
        weight_scales: (O,) float32: the scale of each output channel's weights, positive.
        bias: (O,) float32: in place of the model's own; None keeps that.
        rounding_offsets: (weights,) int8, in their order: how many codes each weight lies above
            the nearest one, where that was learned; None rounds to the nearest.
    """

    weight_scales: Float32Array
    bias: Float32Array | None = None
    rounding_offsets: Int8Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """Decisions that were sought for one way to quantize.

    Attributes:
        ranges: By tensor. Tensors that share their parameters in some runtime have equal
            ranges here, or get the union of theirs.
        layers: By name of the convolution; those that are absent are float.
        float_layers: The convolutions that stay float, by name: why.
        equalization: By tensor: (C,) float32, the scale of each channel as a multiple of the
            tensor's. The graph is changed so before anything else, see `equalize.equalized`.
    """

    ranges: Mapping[str, Range]
    layers: Mapping[str, LayerSpec]
    float_layers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    equalization: Mapping[str, Float32Array] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class QuantSpec:
    """All decisions on one model.

    Attributes:
        schemes: "symmetric" and "asymmetric", see `Runtime.scheme`. One alone serves all runtimes.
        model: SHA-256 of the weights and operators, see `fingerprint.of_graph`.
        images: SHA-256 of the network inputs that were observed.
        count: How many those were.
        recipe: Name of the recipe.
        seed: Of everything that was drawn.
        safe_pools: For `Runtime.one_sided_pools`, MNN: codes of what is pooled are 0 to 127,
            because its x86 kernels compare codes wrongly when they are on both sides of zero. ARM
            needs it not, and loses a bit.
        winograd: For `Runtime.wide_winograd`, ncnn: layers of 3x3 may use Winograd's algorithm
            where its integers are proved not to overflow; off, none does.
    """

    schemes: Mapping[str, Scheme]
    model: str = ""
    images: str = ""
    count: int = 0
    recipe: str = ""
    seed: int = 0
    safe_pools: bool = True
    winograd: bool = True

    def scheme(self, name: str) -> Scheme:
        """The decisions for a scheme; where they were not sought, those for the other."""
        return self.schemes.get(name) or next(iter(self.schemes.values()))
