from __future__ import annotations

import subprocess
import sys

import ncnn_files
import numpy as np
import pytest
from ncnn_files import param, tagged

from edge.errors import ModelError
from edge.formats.ncnn import read_network, write_network
from edge.formats.ncnn_rewrite import (
    convolutions_to_inner_products,
    fuse_activations,
    simplify,
)

INPUT = "Input in 0 1 in"
OUTPUTS = ("out0", "out1", "out2", "out3")


def rewritten(rewrite, files):
    result = write_network(rewrite(read_network(files["param"], files["bin"])))
    return dict(zip(("param", "bin"), result, strict=True))


def types(files) -> list[str]:
    return [layer.type for layer in read_network(files["param"], files["bin"]).layers]


@pytest.fixture(params=ncnn_files.SIZES)
def official(request, shared):
    return ncnn_files.official(shared, request.param)


@pytest.fixture
def image():
    return np.random.default_rng(1).random((3, 192, 160), np.float32)


class TestOnTheOfficialFiles:
    def test_fused_activations_give_the_same_bits(self, official, image, tmp_path):
        fused = rewritten(fuse_activations, official)
        assert types(official).count("HardSwish") == 100
        assert "HardSwish" not in types(fused)
        before = ncnn_files.infer(official, image, OUTPUTS, tmp_path)
        after = ncnn_files.infer(fused, image, OUTPUTS, tmp_path)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_inner_products_give_the_same_but_for_rounding(self, official, image, tmp_path):
        changed = rewritten(convolutions_to_inner_products, official)
        assert types(changed).count("InnerProduct") == 28
        assert changed["bin"] == official["bin"]
        before = ncnn_files.infer(official, image, OUTPUTS, tmp_path)
        after = ncnn_files.infer(changed, image, OUTPUTS, tmp_path)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=5e-5 * np.abs(one).max())

    def test_both_keep_weights_and_outputs(self, official):
        simple = rewritten(simplify, official)
        assert simple["bin"] == official["bin"]
        before, after = (read_network(f["param"], f["bin"]) for f in (official, simple))
        assert after.outputs == before.outputs
        assert len(after.layers) == len(before.layers) - 100
        assert rewritten(simplify, simple) == simple

    def test_the_runtime_prints_only_before_them(self, official, tmp_path):
        assert "deprecated" in _printed(official, tmp_path)
        assert _printed(rewritten(simplify, official), tmp_path) == ""


def _printed(files, folder) -> str:
    """What the runtime writes to both streams of a process that infers once."""
    for suffix, content in files.items():
        (folder / f"net.{suffix}").write_bytes(content)
    program = """
import ncnn, numpy, sys
net = ncnn.Net()
net.opt.num_threads = 1
assert net.load_param(sys.argv[1] + "/net.param") == 0
assert net.load_model(sys.argv[1] + "/net.bin") == 0
extractor = net.create_extractor()
extractor.input("in0", ncnn.Mat(numpy.zeros((3, 64, 64), numpy.float32)).clone())
for name in ("out0", "out1", "out2", "out3"):
    assert extractor.extract(name)[0] == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


CONV = "Convolution conv 1 1 in a 0=4 1=3 4=1 5=1 6=108"
CONV_BIN = tagged(ncnn_files.random(108)) + ncnn_files.random(4).tobytes()
OWNERS = {
    "Convolution": (CONV, CONV_BIN),
    "ConvolutionDepthWise": (
        "ConvolutionDepthWise conv 1 1 in a 0=3 1=3 4=1 6=27 7=3",
        tagged(ncnn_files.random(27, dtype="float16")),
    ),
    "Deconvolution": (
        "Deconvolution conv 1 1 in a 0=4 1=2 3=2 6=48",
        tagged(ncnn_files.random(48)),
    ),
    "DeconvolutionDepthWise": (
        "DeconvolutionDepthWise conv 1 1 in a 0=3 1=2 3=2 6=12 7=3",
        tagged(ncnn_files.random(12)),
    ),
    "InnerProduct": (
        "InnerProduct conv 1 1 in a 0=5 2=4800",
        tagged(ncnn_files.random(4800) / np.float32(30)),
    ),
}
ACTIVATIONS = {
    "ReLU": ("ReLU act 1 1 a out", (1, ())),
    "leaky ReLU": ("ReLU act 1 1 a out 0=1.000000e-01", (2, (0.1,))),
    "whole leaky ReLU": ("ReLU act 1 1 a out 0=1", (2, (1.0,))),
    "Clip": ("Clip act 1 1 a out 0=-5.000000e-01 1=5.000000e-01", (3, (-0.5, 0.5))),
    "Clip from below": ("Clip act 1 1 a out 0=0.0", (3, (0.0, 3.402823e38))),
    "Sigmoid": ("Sigmoid act 1 1 a out", (4, ())),
    "Mish": ("Mish act 1 1 a out", (5, ())),
    "HardSwish": ("HardSwish act 1 1 a out 0=1.666667e-01 1=5.000000e-01", (6, (0.1666667, 0.5))),
    "plain HardSwish": ("HardSwish act 1 1 a out", (6, (0.2, 0.5))),
}


class TestFusing:
    @pytest.mark.parametrize("owner", OWNERS)
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_an_activation_leaves_the_output_as_it_was(self, owner, activation, tmp_path):
        line, weights = OWNERS[owner]
        follower, (kind, numbers) = ACTIVATIONS[activation]
        files = {"param": param(INPUT, line, follower), "bin": weights}
        fused = rewritten(fuse_activations, files)
        layers = read_network(fused["param"], fused["bin"]).layers
        assert [layer.type for layer in layers] == ["Input", owner]
        assert (layers[1].params[9], layers[1].params.get(10, ())) == (kind, numbers)
        image = ncnn_files.random(3, 16, 20)
        (before,) = ncnn_files.infer(files, image, ("out",), tmp_path)
        (after,) = ncnn_files.infer(fused, image, ("out",), tmp_path)
        assert before.std() > 0
        np.testing.assert_allclose(before, after, rtol=2e-5, atol=1e-6)

    @pytest.mark.parametrize(
        "lines",
        [
            [CONV],
            [f"{CONV} 9=1", "Sigmoid act 1 1 a out"],
            [CONV, "Split s 1 2 a b c", "Sigmoid act 1 1 b out"],
            [CONV, "Sigmoid act 1 1 a out", "ReLU more 1 1 a out2"],
            [CONV, "Swish act 1 1 a out"],
            [CONV, "BinaryOp more 2 1 a in out 0=2"],
        ],
    )
    def test_leaves_alone_what_is_read_twice_or_has_no_fused_form(self, lines):
        files = {"param": param(INPUT, *lines), "bin": CONV_BIN}
        assert types(rewritten(fuse_activations, files)) == types(files)

    def test_leaves_alone_a_convolution_with_an_int8_output(self):
        weights = tagged(ncnn_files.random(108, dtype="int8")) + np.ones(10, "f4").tobytes()
        files = {"param": param(INPUT, f"{CONV} 8=102", "ReLU act 1 1 a out"), "bin": weights}
        assert types(rewritten(fuse_activations, files)) == types(files)

    def test_a_chain_takes_the_first_activation_only(self):
        lines = [CONV, "ReLU one 1 1 a b", "Sigmoid two 1 1 b out"]
        fused = rewritten(fuse_activations, {"param": param(INPUT, *lines), "bin": CONV_BIN})
        assert types(fused) == ["Input", "Convolution", "Sigmoid"]

    def test_an_activation_with_an_absurd_parameter_is_a_model_error(self):
        files = {"param": param(INPUT, CONV, 'ReLU act 1 1 a out 0="x"'), "bin": CONV_BIN}
        with pytest.raises(ModelError, match=r"layer act \(ReLU\).*parameter 0 is a number"):
            rewritten(fuse_activations, files)


class TestInnerProducts:
    def test_of_a_small_network_give_its_outputs(self, tmp_path):
        files = ncnn_files.small()
        simple = rewritten(simplify, files)
        assert types(simple).count("InnerProduct") == 2
        assert types(simple).count("Convolution") == 1
        image = ncnn_files.random(3, 32, 24)
        before = ncnn_files.infer(files, image, ("found", "gated"), tmp_path)
        after = ncnn_files.infer(simple, image, ("found", "gated"), tmp_path)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("form", [1, 2])
    def test_keep_int8_weights_and_scales(self, form, tmp_path):
        # Compared with NumPy: of INT8 convolutions with one axis the runtime makes nonsense.
        lines = [
            "Pooling pool 1 1 in a 0=1 4=1",
            f"Convolution conv 1 1 a out 0=4 1=1 5=1 6=12 8={form} 9=2 -23310=1,1.000000e-01",
        ]
        codes, bias = ncnn_files.random(12, dtype="int8"), np.array([1, -2, 0, 0.5], np.float32)
        weights = tagged(codes) + bias.tobytes() + np.full(5, 64.0, np.float32).tobytes()
        files = {"param": param(INPUT, *lines), "bin": weights}
        changed = rewritten(convolutions_to_inner_products, files)
        assert types(changed)[-1] == "InnerProduct"
        assert changed["bin"] == weights
        image = ncnn_files.random(3, 8, 8)
        (result,) = ncnn_files.infer(changed, image, ("out",), tmp_path)
        inputs = np.clip(np.rint(image.mean((1, 2)) * 64), -127, 127)
        expected = codes.reshape(4, 3).astype(np.float64) @ inputs / (64 * 64) + bias
        np.testing.assert_allclose(result, np.maximum(expected, expected * 0.1), rtol=1e-5)

    @pytest.mark.parametrize(
        "lines",
        [
            ["Convolution conv 1 1 in out 0=4 1=1 6=12"],
            ["Pooling p 1 1 in a 0=1 1=2 2=2", "Convolution conv 1 1 a out 0=4 1=1 6=12"],
            ["Pooling p 1 1 in a 0=1 4=1", "Convolution conv 1 1 a out 0=4 1=1 4=1 6=12"],
        ],
    )
    def test_leave_alone_what_is_not_one_cell_of_one_axis(self, lines):
        files = {"param": param(INPUT, *lines), "bin": tagged(ncnn_files.random(12))}
        assert types(rewritten(convolutions_to_inner_products, files)) == types(files)
