"""ncnn: codes from layer to layer alone, symmetric; everything else computes in floats."""

from __future__ import annotations

from calibration.runtimes.base import Runtime
from edge.backends.base import ModelFiles
from edge.formats.ncnn import read_network


def int8_names(files: ModelFiles) -> frozenset[str]:
    """The names of its INT8 layers."""
    layers = read_network(files["param"], files["bin"]).layers
    return frozenset(layer.name for layer in layers if layer.is_int8)


RUNTIME = Runtime(
    name="ncnn",
    scheme="symmetric",
    symmetric=True,
    stores=False,
    fused=frozenset({"Relu", "LeakyRelu", "Clip", "Sigmoid", "Mish", "HardSwish"}),
    integer_bias=False,
    precision="fp16",
    half_beside_int8=True,
    winograd=True,
    wide_winograd=True,
    int8_names=int8_names,
)
