"""The table against the runtime itself: what it reads of a .bin, what shapes it gives."""

from __future__ import annotations

import ncnn_files
import numpy as np
import pytest
from ncnn_files import param, tagged

from edge.errors import ModelError
from edge.formats.ncnn import blob_shapes, read_network
from edge.formats.ncnn_layers import LAYER_TYPES, MAX_ELEMENTS

INPUT = "Input in 0 1 in"


def arrays(*parts: str) -> bytes:
    """A .bin from parts like "t:6" (tagged float32), "h:6" (half), "q:6" (int8), "r:2" (raw)."""
    found = b""
    for part in parts:
        kind, count = part.split(":")
        dtype = {"t": "float32", "h": "float16", "q": "int8", "r": "float32"}[kind]
        values = ncnn_files.random(int(count), dtype=dtype)
        found += values.tobytes() if kind == "r" else tagged(values)
    return found


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


SHAPES = [
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


@pytest.mark.parametrize(("shape", "line", "parts"), SHAPES)
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
        ("for 3 input channels, the input has 4", (4, 8, 8), WEIGHTS[0][0], WEIGHTS[0][1]),
        ("for 3 input channels, the input has 4", (4, 8, 8), "PReLU c 1 1 in out 0=3", ("r:3",)),
        ("for 300 values", (3, 9, 9), "InnerProduct c 1 1 in out 0=4 2=1200", ("t:1200",)),
        (
            "as InnerProduct",
            (3,),
            "Convolution c 1 1 in out 0=1 1=1 6=3 8=2",
            ("q:3", "r:1", "r:1"),
        ),
        ("window of 3 does not fit", (3, 2, 8), WEIGHTS[0][0], WEIGHTS[0][1]),
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


def test_the_largest_blob_is_bounded():
    assert MAX_ELEMENTS * 4 == 2**30
