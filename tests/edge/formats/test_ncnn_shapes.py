"""The rules against the runtime itself: what shapes it gives."""

from __future__ import annotations

import ncnn_files
import numpy as np
import pytest
from ncnn_files import arrays, param

from edge.errors import ModelError
from edge.formats.ncnn import blob_shapes, read_network
from edge.formats.ncnn_layers import LAYER_TYPES
from edge.formats.ncnn_shapes import MAX_ELEMENTS, SHAPES

INPUT = "Input in 0 1 in"
CONV = "Convolution c 1 1 in out 0=4 1=3 5=1 6=108"

CASES = [
    ((3, 11, 13), "Convolution c 1 1 in out 0=4 1=3 5=1 6=108", ("t:108", "r:4")),
    ((3, 11, 13), "Convolution c 1 1 in out 0=4 1=3 11=1 3=2 13=1 4=1 14=0 6=36", ("t:36",)),
    ((3, 11, 13), "Convolution c 1 1 in out 0=4 1=3 2=2 3=2 4=1 15=2 14=0 16=3 6=108", ("t:108",)),
    ((3, 11, 14), "Convolution c 1 1 in out 0=4 1=3 3=2 4=-233 14=-233 6=108", ("t:108",)),
    ((3, 11, 14), "Convolution c 1 1 in out 0=4 1=3 3=3 4=-234 14=-234 6=108", ("t:108",)),
    ((6,), "Convolution c 1 1 in out 0=4 1=1 6=24", ("t:24",)),
    ((4, 9, 9), "ConvolutionDepthWise c 1 1 in out 0=8 1=3 3=2 4=1 6=72 7=4", ("t:72",)),
    ((4, 9, 9), "ConvolutionDepthWise c 1 1 in out 0=6 1=1 6=12 7=2", ("t:12",)),
    ((3, 5, 7), "Deconvolution c 1 1 in out 0=4 1=2 3=2 6=48", ("t:48",)),
    ((3, 5, 7), "Deconvolution c 1 1 in out 0=4 1=4 3=2 4=1 18=1 19=1 6=192", ("t:192",)),
    ((4, 5, 7), "DeconvolutionDepthWise c 1 1 in out 0=4 1=2 3=2 6=16 7=4", ("t:16",)),
    ((3, 4, 5), "InnerProduct c 1 1 in out 0=7 2=420", ("t:420",)),
    ((6, 5), "InnerProduct c 1 1 in out 0=7 2=35", ("t:35",)),
    ((3, 4, 5), "Pooling c 1 1 in out 0=1 4=1", ()),
    ((3, 9, 10), "Pooling c 1 1 in out 0=0 1=2 2=2", ()),
    ((3, 9, 10), "Pooling c 1 1 in out 0=0 1=2 2=2 5=1", ()),
    ((3, 9, 10), "Pooling c 1 1 in out 0=0 1=5 11=3 2=1 12=2 3=2 13=1 5=1", ()),
    ((3, 9, 10), "Pooling c 1 1 in out 0=0 1=3 2=2 5=2", ()),
    ((3, 9, 10), "Pooling c 1 1 in out 0=1 7=1 8=4 18=3", ()),
    ((3, 9, 10), "BinaryOp c 1 1 in out 0=2 1=1 2=2.0", ()),
    ((4, 5, 6), "ShuffleChannel c 1 1 in out 0=2", ()),
    ((8, 5, 6), "PixelShuffle c 1 1 in out 0=2", ()),
    ((3, 5, 6), "Interp c 1 1 in out 0=1 1=2.0 2=3.0", ()),
    ((3, 5, 7), "Interp c 1 1 in out 0=2 1=5.0e-01 2=1.5", ()),
    ((3, 5, 6), "Interp c 1 1 in out 0=2 3=7 4=8", ()),
    ((3, 4, 5), "Reshape c 1 1 in out 0=-1 1=3", ()),
    ((3, 4, 5), "Reshape c 1 1 in out 0=0 1=-1", ()),
    ((3, 4, 5), "Reshape c 1 1 in out 0=2 1=5 2=6", ()),
    ((3, 4, 5), "Reshape c 1 1 in out 0=60", ()),
    *[((3, 4, 5), f"Permute c 1 1 in out 0={order}", ()) for order in range(6)],
    ((4, 5), "Permute c 1 1 in out 0=1", ()),
    ((3, 4, 5), "Flatten c 1 1 in out", ()),
    ((3, 4, 5), "Softmax c 1 1 in out 0=0 1=1", ()),
    ((3, 4, 5), "PReLU c 1 1 in out 0=3", ("r:3",)),
    ((3, 4, 5), "BatchNorm c 1 1 in out 0=3", ("r:3",) * 4),
    ((3, 4, 5), "MemoryData c 0 1 out 0=5 1=3 2=2", ("r:30",)),
    ((3, 4, 5), "HardSwish c 1 1 in out", ()),
]


@pytest.mark.parametrize(("shape", "line", "parts"), CASES)
def test_a_layer_has_the_shape_that_the_runtime_gives(shape, line, parts, tmp_path):
    content, weights = param(INPUT, line), arrays(*parts)
    found = blob_shapes(read_network(content, weights), {"in": shape})
    image = ncnn_files.random(*shape)
    (out,) = ncnn_files.infer({"param": content, "bin": weights}, image, ("out",), tmp_path)
    assert found["out"] == out.shape


@pytest.mark.parametrize(
    ("shape", "line", "outputs"),
    [
        ((6, 4, 5), "Slice c 1 2 x a b -23300=2,2,4 1=0", ("a", "b")),
        ((7, 4, 5), "Slice c 1 3 x a b c -23300=3,-233,-233,-233 1=0", ("a", "b", "c")),
        ((3, 4, 6), "Slice c 1 2 x a b -23300=2,2,-233 1=2", ("a", "b")),
        ((3, 4, 5), "Concat c 2 1 x y out 0=0", ("out",)),
        ((3, 4, 5), "Concat c 2 1 x y out 0=-1", ("out",)),
        ((3, 4, 5), "BinaryOp c 2 1 x y out 0=0", ("out",)),
    ],
)
def test_a_layer_with_many_blobs_has_the_shapes_that_the_runtime_gives(
    shape, line, outputs, tmp_path
):
    content = param(INPUT, "Split s 1 2 in x y", line)
    found = blob_shapes(read_network(content, b""), {"in": shape})
    image = ncnn_files.random(*shape)
    given = ncnn_files.infer({"param": content, "bin": b""}, image, outputs, tmp_path)
    assert [found[name] for name in outputs] == [array.shape for array in given]


def test_a_gate_broadcasts_over_its_channels_as_in_the_runtime(tmp_path):
    lines = ["Split s 1 2 in x y", "Pooling p 1 1 y g 0=1 4=1", "BinaryOp m 2 1 x g out 0=2"]
    files = {"param": param(INPUT, *lines), "bin": b""}
    image = ncnn_files.random(3, 4, 5)
    (out,) = ncnn_files.infer(files, image, ("out",), tmp_path)
    np.testing.assert_allclose(out, image * image.mean((1, 2), keepdims=True), rtol=1e-5)
    assert blob_shapes(read_network(files["param"], b""), {"in": (3, 4, 5)})["out"] == out.shape


@pytest.mark.parametrize(
    ("text", "shape", "line", "parts"),
    [
        ("for 3 input channels, the input has 4", (4, 8, 8), CONV, ("t:108", "r:4")),
        ("for 3 input channels, the input has 4", (4, 8, 8), "PReLU c 1 1 in out 0=3", ("r:3",)),
        ("for 300 values", (3, 9, 9), "InnerProduct c 1 1 in out 0=4 2=1200", ("t:1200",)),
        (
            "as InnerProduct",
            (3,),
            "Convolution c 1 1 in out 0=1 1=1 6=3 8=2",
            ("q:3", "r:1", "r:1"),
        ),
        ("window of 3 does not fit", (3, 2, 8), CONV, ("t:108", "r:4")),
        (r"\(channels, height, width\), got", (3, 8), "Pooling c 1 1 in out 1=2 2=2", ()),
        ("parameter 2 is at least 1, got 0", (3, 8, 8), "Pooling c 1 1 in out 1=2 2=0", ()),
        ("sizes .* do not fit", (3, 8, 8), "Slice c 1 1 in out -23300=1,9 1=0", ()),
        ("sizes .* do not fit", (3, 8, 8), "Slice c 1 1 in out -23300=1,-5 1=0", ()),
        ("axis 3 is not one of", (3, 8, 8), "Concat c 1 1 in out 0=3", ()),
        ("3 channels do not divide", (3, 8, 8), "ShuffleChannel c 1 1 in out 0=2", ()),
        ("3 channels do not divide", (3, 8, 8), "PixelShuffle c 1 1 in out 0=2", ()),
        ("does not reshape", (3, 8, 8), "Reshape c 1 1 in out 0=7 1=-1", ()),
        ("does not reshape", (3, 8, 8), "Reshape c 1 1 in out 0=-1 1=-1", ()),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 1=1.0e+09 2=1.0", ()),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 1=0.0 2=1.0", ()),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 3=2147483647 4=2147483647", ()),
    ],
)
def test_a_layer_that_does_not_fit_its_input_is_named(text, shape, line, parts):
    network = read_network(param(INPUT, line), arrays(*parts))
    with pytest.raises(ModelError, match=f"layer c .*{text}"):
        blob_shapes(network, {"in": shape})


def test_a_blob_has_at_most_one_gibibyte():
    network = read_network(param(INPUT, "Interp c 1 1 in out 0=1 1=2.0 2=2.0"), b"")
    side = 2**13
    assert blob_shapes(network, {"in": (1, side, side)})["out"] == (1, 2 * side, 2 * side)
    assert 4 * (2 * side) ** 2 == 4 * MAX_ELEMENTS
    with pytest.raises(ModelError, match="would be"):
        blob_shapes(network, {"in": (1, side, side + 1)})


def test_every_rule_belongs_to_a_layer_type():
    assert set(SHAPES) < set(LAYER_TYPES)
