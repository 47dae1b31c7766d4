"""The rules against the runtime itself: what shapes it gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ncnn_files
import numpy as np
import pytest
from ncnn_files import arrays, param

from edge.errors import ModelError, UnsupportedModelError
from edge.formats.ncnn import blob_shapes, int8_blobs, read_network
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
    ((3, 5, 7), "Deconvolution c 1 1 in out 0=4 1=4 3=2 4=1 18=1 6=192", ("t:192",)),
    ((3, 5, 6), "Interp c 1 1 in out 0=1 1=2.0 2=2.0 4=8", ()),
    ((3, 4, 6), "Reshape c 1 1 in out 0=-1 1=2 2=2 11=3", ()),
    ((3, 4, 6), "Reshape c 1 1 in out 0=-1 1=4 11=5", ()),
    ((3, 4, 6), "Reshape c 1 1 in out 0=72 2=5", ()),
    ((3, 4, 5), "Softmax c 1 1 in out 0=-1 1=1", ()),
    ((3, 4, 5), "LayerNorm c 1 1 in out 0=5", ("r:5", "r:5")),
    ((3, 4, 5), "LayerNorm c 1 1 in out 0=20", ("r:20", "r:20")),
    ((3, 4, 5), "Padding c 1 1 in out 0=1 1=2 2=3 3=4 5=5.0e-01", ()),
    ((3, 4, 5), "Padding c 1 1 in out 0=3 1=3 2=4 3=4 4=2", ()),
    ((3, 4, 5), "Crop c 1 1 in out -23309=2,1,-3 -23310=2,-1,99 -23311=2,1,2", ()),
    ((3, 4, 5), "Crop c 1 1 in out -23309=1,-233 -23310=1,-233 -23311=1,-3", ()),
    ((3, 4, 5), "Reduction c 1 1 in out 0=3", ()),
    ((3, 4, 5), "Reduction c 1 1 in out 0=3 4=1", ()),
    ((3, 4, 5), "Reduction c 1 1 in out 0=3 1=0 -23303=2,0,-1 5=1", ()),
    ((3, 4, 5), "Reduction c 1 1 in out 0=4 1=0 -23303=1,1 4=1 5=1", ()),
    ((6, 5), "Reduction c 1 1 in out 0=4 1=0 -23303=2,0,1 5=1", ()),
    ((3, 4, 6), 'Reshape c 1 1 in out 6="*(0w,0h),0c"', ()),
    ((3, 4, 6), 'Reshape c 1 1 in out 6="//(0w,2),-1"', ()),
    ((3, 4, 6), 'Reshape c 1 1 in out 6="0w,+(0h,-2),*(2,0c)"', ()),
    ((3, 4, 6), 'Reshape c 1 1 in out 6="ceil(/(0w,4)),max(0h,3),*(3,min(9,0c))"', ()),
    ((3, 4, 6), 'Crop c 1 1 in out 19="1" 20="-(0w,2)" 21="2"', ()),
    ((3, 4, 6), 'Interp c 1 1 in out 0=1 9="*(0w,2),*(0h,3)"', ()),
]


@pytest.mark.parametrize(("shape", "line", "parts"), CASES)
def test_a_layer_has_the_shape_that_the_runtime_gives(shape, line, parts, tmp_path):
    content, weights = param(INPUT, line), arrays(*parts)
    result = blob_shapes(read_network(content, weights), {"in": shape})
    image = ncnn_files.random(*shape)
    (out,) = ncnn_files.infer({"param": content, "bin": weights}, image, ("out",), tmp_path)
    assert result["out"] == out.shape


@pytest.mark.parametrize(
    ("shape", "line", "outputs"),
    [
        ((6, 4, 5), "Slice c 1 2 x a b -23300=2,2,4 1=0", ("a", "b")),
        ((7, 4, 5), "Slice c 1 3 x a b c -23300=3,-233,-233,-233 1=0", ("a", "b", "c")),
        ((3, 4, 6), "Slice c 1 2 x a b -23300=2,2,-233 1=2", ("a", "b")),
        ((3, 4, 5), "Concat c 2 1 x y out 0=0", ("out",)),
        ((3, 4, 5), "Concat c 2 1 x y out 0=-1", ("out",)),
        ((3, 4, 5), "BinaryOp c 2 1 x y out 0=0", ("out",)),
        ((3, 4, 4), "MatMul c 2 1 x y out", ("out",)),
        ((3, 4, 5), "MatMul c 2 1 x y out 0=1", ("out",)),
        ((3, 4, 5), "Eltwise c 2 1 x y out 0=1 -23301=2,1.0,2.0", ("out",)),
        ((3, 4, 5), 'Reshape c 2 1 x y out 6="1w,*(0h,1c)"', ("out",)),
    ],
)
def test_a_layer_with_many_blobs_has_the_shapes_that_the_runtime_gives(
    shape, line, outputs, tmp_path
):
    content = param(INPUT, "Split s 1 2 in x y", line)
    result = blob_shapes(read_network(content, b""), {"in": shape})
    image = ncnn_files.random(*shape)
    given = ncnn_files.infer({"param": content, "bin": b""}, image, outputs, tmp_path)
    assert [result[name] for name in outputs] == [array.shape for array in given]


def test_a_gate_broadcasts_over_its_channels_as_in_the_runtime(tmp_path):
    lines = ["Split s 1 2 in x y", "Pooling p 1 1 y g 0=1 4=1", "BinaryOp m 2 1 x g out 0=2"]
    files = {"param": param(INPUT, *lines), "bin": b""}
    image = ncnn_files.random(3, 4, 5)
    (out,) = ncnn_files.infer(files, image, ("out",), tmp_path)
    np.testing.assert_allclose(out, image * image.mean((1, 2), keepdims=True), rtol=1e-5)
    assert blob_shapes(read_network(files["param"], b""), {"in": (3, 4, 5)})["out"] == out.shape


@pytest.mark.parametrize("order", [*range(24)])
def test_four_axes_are_turned_as_in_the_runtime(order, tmp_path):
    lines = ["Reshape r 1 1 in x 0=5 1=4 11=3 2=2", f"Permute c 1 1 x out 0={order}"]
    files = {"param": param(INPUT, *lines), "bin": b""}
    (out,) = ncnn_files.infer(files, ncnn_files.random(6, 4, 5), ("out",), tmp_path)
    assert blob_shapes(read_network(files["param"], b""), {"in": (6, 4, 5)})["out"] == out.shape


@pytest.mark.parametrize("small", ["0=5", "0=3", "0=1", "0=4 1=3", "0=1 1=3", "0=1 1=1 2=3"])
def test_a_smaller_operand_is_taken_only_where_the_runtime_broadcasts_it(small, tmp_path):
    count = int(np.prod([int(size.split("=")[1]) for size in small.split()]))
    for names in ("in m", "m in"):
        lines = [f"MemoryData m 0 1 m {small}", f"BinaryOp b 2 1 {names} out 0=2"]
        files = {"param": param(INPUT, *lines), "bin": np.ones(count, np.float32).tobytes()}
        image = ncnn_files.random(3, 4, 5)
        (out,) = ncnn_files.infer(files, image, ("out",), tmp_path)
        np.testing.assert_array_equal(out, image)
        network = read_network(files["param"], files["bin"])
        assert blob_shapes(network, {"in": (3, 4, 5)})["out"] == (3, 4, 5)


@pytest.mark.parametrize(
    "line",
    [
        "Cast c 1 1 in out 0=1 1=2",
        "Packing c 1 1 in out 0=8",
        "Reorg c 1 1 in out 0=2",
        "Flip c 1 1 in out",
        "GLU c 1 1 in out",
        "Tile c 1 1 in out 0=0 1=9",
        "Squeeze c 1 1 in out",
        "Reshape c 1 1 in out 0=-1 12=0",
        "Reduction c 1 1 in out 1=0",
        "Padding c 1 1 in out 6=3",
        "Crop c 1 1 in out 2=9",
        "Interp c 1 1 in out 0=1 5=1",
        "Slice c 1 1 in out -23302=1,1",
    ],
)
def test_a_layer_of_which_too_little_is_known_is_not_run(line):
    network = read_network(param(INPUT, line), b"")
    with pytest.raises(UnsupportedModelError, match=r"layer c .* shape is not known here"):
        blob_shapes(network, {"in": (8, 8, 8)})


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
        ("for 1 input channels, the input has 64", (64, 2, 2), "Scale c 1 1 in out 0=1", ("r:1",)),
        ("for 1 input channels, the input has 64", (64, 2, 2), "Bias c 1 1 in out 0=1", ("r:1",)),
        ("for 2 input channels", (64, 2, 2), "Quantize c 1 1 in out 0=2", ("r:2",)),
        ("for 6 values", (3, 4, 5), "LayerNorm c 1 1 in out 0=6", ("r:6", "r:6")),
        ("padding is at least 0", (3, 8, 8), CONV + " 4=-233 14=1", ("t:108", "r:4")),
        ("axis 3 is not one of", (3, 8, 8), "Softmax c 1 1 in out 0=3", ()),
        ("too small to be reflected", (3, 4, 5), "Padding c 1 1 in out 0=4 4=2", ()),
        ("too small for it", (3, 3, 9), "Interp c 1 1 in out 0=3 3=7 4=8", ()),
        ("too small for it", (3, 1, 9), "Interp c 1 1 in out 0=2 3=7 4=8", ()),
        ("1 to 3, got 4", (3, 9, 9), "Interp c 1 1 in out 0=4 3=7 4=8", ()),
        ("is 0 or 1, got 2", (3, 9, 9), "Pooling c 1 1 in out 0=2 4=1", ()),
        ("operation 12", (3, 9, 9), "BinaryOp c 1 1 in out 0=12 1=1", ()),
        ("operation 11", (3, 9, 9), "Reduction c 1 1 in out 0=11", ()),
        ("axis 3 is not", (3, 9, 9), "Reduction c 1 1 in out 1=0 5=1 -23303=1,3", ()),
        ("there are 6", (3, 9, 9), "Permute c 1 1 in out 0=6", ()),
        (
            "5 to 6 is not within",
            (3, 4, 5),
            "Crop c 1 1 in out -23309=1,5 -23310=1,6 -23311=1,2",
            (),
        ),
        ("-9 to 4", (3, 4, 5), "Crop c 1 1 in out -23309=1,-9 -23310=1,4 -23311=1,2", ()),
        ("0 starts", (3, 4, 5), "Crop c 1 1 in out -23309=0 -23310=0 -23311=0", ()),
        (
            "name one twice",
            (3, 4, 5),
            "Crop c 1 1 in out -23309=2,0,0 -23310=2,1,1 -23311=2,0,-3",
            (),
        ),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 1=1.0e+09 2=1.0", ()),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 1=0.0 2=1.0", ()),
        ("would be", (3, 8, 8), "Interp c 1 1 in out 0=1 3=2147483647 4=2147483647", ()),
    ],
)
def test_a_layer_that_does_not_fit_its_input_is_named(text, shape, line, parts):
    network = read_network(param(INPUT, line), arrays(*parts))
    with pytest.raises(ModelError, match=f"layer c .*{text}"):
        blob_shapes(network, {"in": shape})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (r"shapes \(4, 6, 6\) and \(4, 3, 3\)", "Eltwise c 2 1 x y out 0=1"),
        ("do not multiply", "MatMul c 2 1 x y out"),
        ("do not broadcast", "BinaryOp c 2 1 x y out 0=2"),
        ("its output shape is not known here", "GridSample c 2 1 x y out"),
        ("its output shape is not known here", "Einsum c 2 1 x y out"),
        ("its output shape is not known here", "Crop c 2 1 x y out"),
        ("do not join", "Concat c 2 1 x y out 0=0"),
    ],
)
def test_operands_that_do_not_go_together_are_named(text, line):
    lines = ["Split s 1 2 in x b", "Pooling p 1 1 b y 1=2 2=2 5=1", line]
    with pytest.raises(ModelError, match=f"layer c .*({text})"):
        blob_shapes(read_network(param(INPUT, *lines), b""), {"in": (4, 6, 6)})


def test_factors_are_as_many_as_operands():
    lines = ["Split s 1 2 in x y", "Eltwise c 2 1 x y out 0=1 -23301=1,1.0"]
    with pytest.raises(ModelError, match=r"layer c .*1 factors for 2 inputs"):
        blob_shapes(read_network(param(INPUT, *lines), b""), {"in": (4, 6, 6)})


QUANTIZE = "Quantize q 1 1 in codes"
INT8_CONV = "Convolution k 1 1 {} {} 0=3 1=1 6=9 8={}"


class TestInt8Blobs:
    def network(self, *lines, parts=("r:1",)):
        return read_network(param(INPUT, *lines), arrays(*parts))

    def test_are_those_of_quantize_of_split_and_of_int8_outputs(self):
        lines = [
            QUANTIZE,
            "Split s 1 2 codes a b",
            INT8_CONV.format("a", "c", 102),
            INT8_CONV.format("c", "out", 2).replace(" k ", " l "),
        ]
        parts = ("r:1", "q:9", "r:3", "r:1", "r:1", "q:9", "r:3", "r:1")
        assert int8_blobs(self.network(*lines, parts=parts)) == {"codes", "a", "b", "c"}

    @pytest.mark.parametrize(
        ("line", "parts"),
        [
            ("Sigmoid c 1 1 codes out", ()),
            ("Convolution c 1 1 codes out 0=3 1=1 6=9", ("t:9",)),
            ("InnerProduct c 1 1 codes out 0=2 2=384 8=2", ("q:384", "r:2", "r:1")),
            ("Pooling c 1 1 codes out 1=2 2=2", ()),
            ("Slice c 1 1 codes out -23300=1,-233", ()),
            ("Concat c 1 1 codes out", ()),
            ("Quantize c 1 1 codes out", ("r:1",)),
            ("Dequantize c 1 1 codes out", ("r:1",)),
            ("Requantize c 1 1 codes out", ("r:1", "r:1")),
        ],
    )
    def test_are_not_read_as_floats(self, line, parts):
        network = self.network(QUANTIZE, line, parts=("r:1", *parts))
        with pytest.raises(ModelError, match=r"layer c .*reads floats, its input codes is int8"):
            int8_blobs(network)


@pytest.mark.parametrize("line", ["Requantize c 1 1 in out", "Dequantize c 1 1 in out"])
def test_floats_are_not_read_as_sums(line):
    network = read_network(param(INPUT, line), arrays(*("r:1",) * (2 if line[0] == "R" else 1)))
    with pytest.raises(UnsupportedModelError, match="layer c"):
        blob_shapes(network, {"in": (3, 8, 8)})


def test_random_networks_that_are_accepted_run_and_have_the_shapes_of_the_rules():
    """In a process of its own: one that should have been refused may end it."""
    program = Path(ncnn_files.__file__).with_name("ncnn_mutants.py")
    done = subprocess.run(
        [sys.executable, str(program), "0", "400"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-600:], done.stderr[-600:])
    assert "failed:" not in done.stdout
    assert done.stdout.count("\n  ran\n") > 100
    assert done.stdout.count("\n  refused: ") > 30


def test_a_blob_has_at_most_one_gibibyte():
    network = read_network(param(INPUT, "Interp c 1 1 in out 0=1 1=2.0 2=2.0"), b"")
    side = 2**13
    assert blob_shapes(network, {"in": (1, side, side)})["out"] == (1, 2 * side, 2 * side)
    assert 4 * (2 * side) ** 2 == 4 * MAX_ELEMENTS
    with pytest.raises(ModelError, match="would be"):
        blob_shapes(network, {"in": (1, side, side + 1)})


def test_every_rule_belongs_to_a_layer_type():
    assert set(SHAPES) < set(LAYER_TYPES)
