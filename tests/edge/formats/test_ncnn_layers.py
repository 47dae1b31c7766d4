"""The table against the runtime itself: what it reads of a .bin."""

from __future__ import annotations

import ncnn_files
import numpy as np
import pytest
from ncnn_files import arrays, param

from edge.errors import ModelError
from edge.formats.ncnn import read_network
from edge.formats.ncnn_layers import LAYER_TYPES

INPUT = "Input in 0 1 in"
WEIGHTS = [
    ("Convolution c 1 1 in out 0=4 1=3 5=1 6=108", ("t:108", "r:4")),
    ("Convolution c 1 1 in out 0=4 1=3 6=108", ("h:108",)),
    ("Convolution c 1 1 in out 0=4 1=3 6=108 5=1 8=1", ("q:108", "r:4", "r:4", "r:1")),
    ("Convolution c 1 1 in out 0=4 1=3 6=108 5=1 8=2", ("q:108", "r:4", "r:4", "r:1")),
    ("Convolution c 1 1 in out 0=4 1=3 6=108 8=101", ("q:108", "r:4", "r:1", "r:1")),
    ("Convolution c 1 1 in out 0=4 1=3 6=108 5=1 8=102", ("q:108", "r:4", "r:4", "r:1", "r:1")),
    ("ConvolutionDepthWise c 1 1 in out 0=6 1=3 5=1 6=54 7=3", ("h:54", "r:6")),
    ("ConvolutionDepthWise c 1 1 in out 0=6 1=3 5=1 6=54 7=3 8=1", ("q:54", "r:6", "r:3", "r:1")),
    ("ConvolutionDepthWise c 1 1 in out 0=3 1=1 6=3 7=3 8=2", ("q:3", "r:1", "r:1")),
    ("ConvolutionDepthWise c 1 1 in out 0=3 1=3 6=27 7=3 8=101", ("q:27", "r:3", "r:1", "r:1")),
    (
        "ConvolutionDepthWise c 1 1 in out 0=3 1=3 5=1 6=27 7=3 8=102",
        ("q:27", "r:3", "r:1", "r:1", "r:1"),
    ),
    ("Deconvolution c 1 1 in out 0=4 1=2 3=2 5=1 6=48", ("t:48", "r:4")),
    ("DeconvolutionDepthWise c 1 1 in out 0=3 1=2 3=2 5=1 6=12 7=3", ("h:12", "r:3")),
    ("InnerProduct c 1 1 in out 0=4 1=1 2=300", ("h:300", "r:4")),
    ("InnerProduct c 1 1 in out 0=4 1=1 2=300 8=1", ("q:300", "r:4", "r:4", "r:1")),
    ("InnerProduct c 1 1 in out 0=4 2=300 8=2", ("q:300", "r:4", "r:1")),
    ("BatchNorm c 1 1 in out 0=3", ("r:3",) * 4),
    ("LayerNorm c 1 1 in out 0=10", ("r:10", "r:10")),
    ("LayerNorm c 1 1 in out 0=10 2=0", ()),
    ("Bias c 1 1 in out 0=3", ("r:3",)),
    ("Scale c 1 1 in out 0=3", ("r:3",)),
    ("Scale c 1 1 in out 0=3 1=1", ("r:3", "r:3")),
    ("PReLU c 1 1 in out 0=3", ("r:3",)),
    ("PReLU c 1 1 in out 0=1", ("r:1",)),
    ("MemoryData c 0 1 out 0=5", ("r:5",)),
    ("MemoryData c 0 1 out 0=5 1=3", ("r:15",)),
    ("MemoryData c 0 1 out 0=5 1=3 2=2", ("r:30",)),
    ("MemoryData c 0 1 out 0=5 1=3 2=2 21=0", ("t:30",)),
    ("Quantize c 1 1 in out", ("r:1",)),
    ("Quantize c 1 1 in out 0=3", ("r:3",)),
    ("Dequantize c 1 1 in out 0=3 1=3", ("r:3", "r:3")),
    ("Requantize c 1 1 in out 0=3 1=1 2=3", ("r:3", "r:1", "r:3")),
]


@pytest.mark.parametrize(("line", "parts"), WEIGHTS)
def test_a_layer_owns_exactly_what_the_runtime_reads(line, parts, tmp_path):
    # A layer behind it shows where the runtime stopped reading: it must find its own slopes.
    probe = "PReLU probe 1 1 b probe 0=3"
    content = param(INPUT, "Split s 1 2 in a b", line.replace(" in ", " a "), probe)
    slopes = np.array([0.25, 0.5, 0.75], np.float32)
    weights = arrays(*parts)
    files = {"param": content, "bin": weights + slopes.tobytes()}
    (out,) = ncnn_files.infer(files, -np.ones((3, 10, 10), np.float32), ("probe",), tmp_path)
    np.testing.assert_array_equal(out[:, 0, 0], -slopes)
    layers = read_network(content, files["bin"]).layers
    assert len(layers[2].weights) == len(parts)
    np.testing.assert_array_equal(layers[3].weights[0].values, slopes)


def test_every_type_that_owns_weights_is_compared_with_the_runtime():
    owners = {kind for kind, known in LAYER_TYPES.items() if known.blocks.__name__ != "<lambda>"}
    assert owners == {line.split()[0] for line, _ in WEIGHTS}


def test_an_inner_product_has_no_int8_output():
    line = "InnerProduct c 1 1 in out 0=4 2=300 8=102"
    with pytest.raises(ModelError, match=r"layer c .*is 102, but its output is always float"):
        read_network(param(INPUT, line), arrays("q:300", "r:4", "r:1", "r:1"))
