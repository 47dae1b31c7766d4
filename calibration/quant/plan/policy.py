"""What each runtime's INT8 is like: its scheme, and which operators it computes on codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Policy:
    """The INT8 of one runtime.

    Attributes:
        scheme: Key into `QuantSpec.schemes`: the ranges that were sought for it.
        symmetric: Codes are -127 to 127 and zero is 0; else -128 to 127 and zero is any.
        stores: Results of layers are kept as codes wherever they go; else only from layer to
            layer, since no other operator takes codes.
        fused: Activations that a layer computes on its accumulators, where they alone read it.
        pass_through: Operators that hand on codes: inputs and outputs have the same parameters.
        activations: Operators from codes to codes with other parameters.
        grouped: It computes convolutions in groups that are not depthwise.
        integer_bias: Biases become int32 at the scale of the accumulator.
    """

    scheme: str
    symmetric: bool
    stores: bool
    fused: frozenset[str]
    pass_through: frozenset[str] = frozenset()
    activations: frozenset[str] = frozenset()
    grouped: bool = False
    integer_bias: bool = True


_PASS_THROUGH = frozenset(
    {"Concat", "MaxPool", "Resize", "DepthToSpace", "Slice", "Split", "Pad"}
)  # Resize: nearest alone
_CODES = Policy(
    "asymmetric", False, True, frozenset({"Relu"}), _PASS_THROUGH, frozenset({"Relu", "LeakyRelu"})
)
_GROUPED = Policy(
    "asymmetric",
    False,
    True,
    frozenset({"Relu"}),
    _PASS_THROUGH,
    frozenset({"Relu", "LeakyRelu"}),
    grouped=True,
)
_NCNN = Policy(
    "symmetric",
    True,
    False,
    frozenset({"Relu", "LeakyRelu", "Clip", "Sigmoid", "Mish", "HardSwish"}),
    integer_bias=False,
)

# Keys as in `edge.backends.BACKENDS`.
POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"ncnn": _NCNN, "mnn": _CODES, "tflite": _CODES, "onnxruntime": _GROUPED}
)


def policy(target: str) -> Policy:
    """The INT8 of a runtime.

    Raises:
        UnsupportedModelError: Nothing is known of it.
    """
    if target not in POLICIES:
        raise UnsupportedModelError(f"unknown target {target!r}; known: {', '.join(POLICIES)}")
    return POLICIES[target]
