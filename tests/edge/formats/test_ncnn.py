from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace

import ncnn_files
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ncnn_files import padded, param, tagged

from edge.errors import ModelError, UnsupportedModelError
from edge.formats.ncnn import (
    Network,
    Weight,
    blob_shapes,
    output_shapes,
    read_network,
    write_network,
)
from edge.formats.ncnn_rewrite import simplify
from edge.types import Size

INPUT = "Input in 0 1 in"
CONV = "Convolution conv 1 1 in out 0=2 1=1 5=1 6=6"
CONV_BIN = tagged(ncnn_files.random(6)) + ncnn_files.random(2).tobytes()


def refused(text: str, content: bytes, weights: bytes = b"", error: type = ModelError) -> None:
    with pytest.raises(error, match=text):
        read_network(content, weights)


class TestRoundTrip:
    @pytest.mark.parametrize("size", ncnn_files.SIZES)
    def test_of_the_official_files_gives_the_same_bytes(self, shared, size):
        files = ncnn_files.official(shared, size)
        network = read_network(files["param"], files["bin"])
        assert write_network(network) == (files["param"], files["bin"])

    def test_of_a_small_network_keeps_everything(self):
        files = ncnn_files.small()
        once = write_network(read_network(files["param"], files["bin"]))
        assert once[1] == files["bin"]
        assert [line.split() for line in once[0].splitlines()] == [
            line.split() for line in files["param"].splitlines()
        ]
        assert write_network(read_network(*once)) == once

    @pytest.mark.parametrize(
        "text",
        ["0=1.234568e-01", "0=-1.23456791e-01", "0=3.402823e+38", "0=-0.000000e+00", "0=-7"],
    )
    def test_of_a_number_keeps_its_float32_value_and_text(self, text):
        content = param(INPUT, f"ReLU act 1 1 in out {text}")
        written, _ = write_network(read_network(content, b""))
        assert written.split()[-1].decode() == text

    @given(st.floats(width=32, allow_nan=False, allow_infinity=False))
    def test_of_any_float32_is_exact_and_short_enough_for_the_runtime(self, value):
        layer = read_network(param(INPUT, "ReLU act 1 1 in out 0=0.0"), b"").layers[1]
        network = Network((read_network(param(INPUT), b"").layers[0], _with(layer, value)))
        written, weights = write_network(network)
        assert len(written.split()[-1]) <= len("0=") + 15
        result = read_network(written, weights).layers[1].params[0]
        assert np.float32(result) == np.float32(value)

    def test_reads_arrays_and_text_in_their_newer_spelling(self):
        network = read_network(
            param(INPUT, "Slice cut 1 2 in a b 0=1,2 1=0", 'Reshape shape 1 1 a c 6="0w,1"'), b""
        )
        assert network.layers[1].params == {0: (1, 2), 1: 0}
        assert network.layers[2].params == {6: '"0w,1"'}
        again = read_network(*write_network(network))
        assert [layer.params for layer in again.layers] == [x.params for x in network.layers]

    def test_reads_windows_line_ends(self):
        content = param(INPUT, CONV).replace(b"\n", b"\r\n")
        assert read_network(content, CONV_BIN).layers[1].name == "conv"


def _with(layer, value):
    return replace(layer, params={0: float(value)})


class TestWeights:
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_are_views_of_the_file_under_their_tag(self, dtype):
        values = ncnn_files.random(6, dtype=dtype)
        layer = read_network(
            param(INPUT, CONV), tagged(values) + np.array([1, 2], np.float32).tobytes()
        ).layers[1]
        assert layer.weights[0].values.dtype == dtype
        np.testing.assert_array_equal(layer.weights[0].values, values)
        np.testing.assert_array_equal(layer.weights[1].values, [1, 2])
        assert not layer.weights[0].values.flags.owndata

    def test_under_the_second_float32_tag_keep_it(self):
        weights = tagged(ncnn_files.random(6), tag=0x0002C056) + bytes(8)
        assert write_network(read_network(param(INPUT, CONV), weights))[1] == weights

    def test_as_indices_are_looked_up_in_their_table(self):
        table = ncnn_files.random(256)
        indices = np.array([0, 255, 7, 7, 1, 2], np.uint8)
        weights = struct.pack("<I", 1) + table.tobytes() + padded(indices.tobytes()) + bytes(8)
        network = read_network(param(INPUT, CONV), weights)
        np.testing.assert_array_equal(network.layers[1].weights[0].numbers, table[indices])
        assert write_network(network)[1] == weights

    def test_in_int8_make_the_network_int8(self):
        line = "Convolution conv 1 1 in out 0=2 1=1 5=1 6=6 8=102"
        weights = tagged(ncnn_files.random(6, dtype="int8"))
        weights += b"".join(ncnn_files.random(n).tobytes() for n in (2, 2, 1, 1))
        network = read_network(param(INPUT, line), weights)
        assert network.is_int8
        assert [len(w.values) for w in network.layers[1].weights] == [6, 2, 2, 1, 1]
        assert write_network(network)[1] == weights
        assert not read_network(param(INPUT, CONV), CONV_BIN).is_int8

    def test_that_disagree_with_the_int8_form_are_refused(self):
        line = "Convolution conv 1 1 in out 0=2 1=1 6=6"
        refused("want float weights", param(INPUT, line), tagged(np.zeros(6, np.int8)))
        refused(
            "want int8 weights", param(INPUT, f"{line} 8=2"), tagged(np.zeros(6, "f4")) + bytes(12)
        )

    def test_of_other_dtypes_are_not_made(self):
        with pytest.raises(TypeError, match="float64"):
            Weight.tagged(np.zeros(3))

    def test_that_do_not_fit_their_layer_are_not_written(self):
        network = read_network(param(INPUT, CONV), CONV_BIN)
        layer = replace(network.layers[1], weights=(Weight.tagged(np.zeros(5, "f4")),))
        with pytest.raises(ModelError, match=r"conv.*\[6, 2\] wanted, got \[5\]"):
            write_network(Network((network.layers[0], layer)))


class TestHostileParam:
    @pytest.mark.parametrize(
        ("text", "content"),
        [
            ("nothing", b""),
            ("got '7767518'", b"7767518\n1 1\nInput in 0 1 in\n"),
            ("binary form", struct.pack("<III", 7767517, 1, 1)),
            ("not UTF-8", b"7767517\n1 1\nInput \xff 0 1 in\n"),
            ("second line", b"7767517\n"),
            ("second line", b"7767517\n1\nInput in 0 1 in\n"),
            ("line 2: a count", b"7767517\n-1 1\nInput in 0 1 in\n"),
            ("line 2: a count", b"7767517\n1 99999999999\nInput in 0 1 in\n"),
            ("9999999 layers announced, 1 found", param(INPUT, layers=9999999)),
            ("1 layers announced, 2 found", param(INPUT, CONV, layers=1)),
            ("1 blobs announced, 2 found", param(INPUT, "ReLU r 1 1 in out", blobs=1)),
            ("5 blobs announced, 2 found", param(INPUT, "ReLU r 1 1 in out", blobs=5)),
            ("1 to 16384 layers", b"7767517\n0 0\n"),
            ("1 to 16384 layers", param(*["Input in 0 1 in"] * 16385)),
            ("line 4: a layer is", b"7767517\n2 1\nInput in 0 1 in\nReLU r 1\n"),
            ("line 4.*a count", b"7767517\n2 1\nInput in 0 1 in\nReLU r -1 1 in out\n"),
            (
                "line 4.*9999999 blobs announced, 2 found|10000000 blobs announced",
                b"7767517\n2 1\nInput in 0 1 in\nReLU r 1 9999999 in out\n",
            ),
            ("line 4.*reads 1 to 1 blobs, got 2", param(INPUT, "ReLU r 2 1 in in out")),
            ("line 4.*reads 2 to 2 blobs, got 1", param(INPUT, "BinaryOp b 1 1 in out 0=2")),
            ("line 4.*writes 1 to 1 blobs, got 0", param(INPUT, "ReLU r 1 0 in")),
            ("no layer before it writes its input b", param(INPUT, "ReLU r 1 1 b out")),
            (
                "no layer before it writes its input b",
                param(INPUT, "ReLU r 1 1 b a", "ReLU s 1 1 a b"),
            ),
            ("no layer before it writes its input a", param(INPUT, "ReLU r 1 1 a a")),
            ("out is written twice", param(INPUT, "ReLU r 1 1 in out", "ReLU s 1 1 in out")),
            ("key=value", param(INPUT, "ReLU r 1 1 in out 0")),
            ("key=value", param(INPUT, "ReLU r 1 1 in out a=1")),
            ("keys are 0 to 31, got 32", param(INPUT, "ReLU r 1 1 in out 32=1")),
            ("keys are 0 to 31, got -1", param(INPUT, "ReLU r 1 1 in out -1=1")),
            ("parameter 0 stands there twice", param(INPUT, "ReLU r 1 1 in out 0=1 0=1")),
            ("3 announced, 2 found", param(INPUT, "Slice r 1 2 in a b -23300=3,1,2")),
            ("-1 announced, 2 found", param(INPUT, "Slice r 1 2 in a b -23300=-1,1,2")),
            ("32-bit number is wanted, got ''", param(INPUT, "ReLU r 1 1 in out 0=")),
            ("32-bit number is wanted, got ''", param(INPUT, "Slice r 1 2 in a b 0=1,")),
            ("32-bit number.*4294967296", param(INPUT, "ReLU r 1 1 in out 0=4294967296")),
            ("32-bit number.*1e39", param(INPUT, "ReLU r 1 1 in out 0=1e39")),
            ("32-bit number.*1e-999", param(INPUT, "ReLU r 1 1 in out 0=1e-999999999")),
            (
                "32-bit number.*0.1234567890123",
                param(INPUT, "ReLU r 1 1 in out 0=0.12345678901234"),
            ),
            ("printable", param(INPUT, f"ReLU {'r' * 256} 1 1 in out")),
            ("printable", param(INPUT, "ReLU r\0 1 1 in out")),
        ],
    )
    def test_is_refused_with_the_reason(self, text, content):
        refused(text, content)

    def test_with_an_unknown_layer_type_is_unsupported_and_names_it(self):
        content = param(INPUT, "Fantasy layer7 1 1 in out")
        refused(r"line 4, layer layer7 \(Fantasy\)", content, error=UnsupportedModelError)

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("parameter 0 is at least 1, got -8", "Convolution conv 1 1 in out 0=-8 1=1 6=6"),
            ("parameter 6 is at least 1, got 0", "Convolution conv 1 1 in out 0=2 1=1"),
            ("parameter 1 is at least 1, got 0", "Convolution conv 1 1 in out 0=2 6=6"),
            ("parameter 6 is a whole number, got 6.0", "Convolution conv 1 1 in out 0=2 1=1 6=6.0"),
            ("7 weights do not divide", "Convolution conv 1 1 in out 0=2 1=1 6=7"),
            ("INT8 form.*got 7", "Convolution conv 1 1 in out 0=2 1=1 6=6 8=7"),
            ("activation.*2 and \\(\\)", "Convolution conv 1 1 in out 0=2 1=1 6=6 9=2"),
            ("activation.*9", "InnerProduct fc 1 1 in out 0=2 2=6 9=9"),
            ("computed by the network", "Convolution conv 1 1 in out 0=2 1=1 6=6 19=1"),
            ("7 weights do not divide", "InnerProduct fc 1 1 in out 0=2 2=7"),
            ("parameter 0 is at least 1", "BatchNorm norm 1 1 in out 0=-1"),
            ("holds no values", "MemoryData data 0 1 out 0=4 2=4"),
        ],
    )
    def test_with_an_absurd_layer_names_it(self, text, line):
        refused(f"layer {line.split()[1]}.*{text}", param(INPUT, line), bytes(64))


class TestHostileBin:
    @pytest.mark.parametrize("cut", [1, 4, 8, 9, len(CONV_BIN)])
    def test_that_is_cut_short_names_the_layer_and_what_is_missing(self, cut):
        refused(r"\.bin, layer conv.*are wanted", param(INPUT, CONV), CONV_BIN[:-cut])

    def test_that_goes_on_after_the_end_is_refused(self):
        refused("4 bytes are left", param(INPUT, CONV), CONV_BIN + bytes(4))

    def test_with_an_unknown_tag_is_refused(self):
        weights = tagged(np.zeros(6, "f4"), tag=0xDEADBEEF) + bytes(8)
        refused("unknown weight tag 0xdeadbeef", param(INPUT, CONV), weights)

    def test_does_not_cost_memory_for_what_it_only_announces(self):
        line = "Convolution conv 1 1 in out 0=1 1=1 6=2147483647"
        content = param(INPUT, line)
        tracemalloc.start()
        try:
            refused("8589934588 bytes are wanted", content, bytes(4096))
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


def _whatever_happens(content: bytes, weights: bytes) -> None:
    """Read, and if that works do all that may be done: nothing but a ModelError may come."""
    try:
        network = read_network(content, weights)
        output_shapes(network, Size(64, 64))
    except ModelError:
        return
    rewritten = simplify(network)
    again = read_network(*write_network(rewritten))
    assert output_shapes(again, Size(64, 64)).keys() == set(rewritten.outputs)


@st.composite
def edits(draw, content: bytes) -> bytes:
    """The content with bytes or whole words changed, and perhaps an end cut off."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(result) - 1))
        length = draw(st.integers(0, 12))
        result[at : at + length] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b"0", b"-1", b" 0=-233", b"99999", b"1e38", b" ", b"\n", b"8=102"]
                ),
            )
        )
        if not result:
            return b""
    return bytes(result[: draw(st.integers(0, len(result)))] if draw(st.booleans()) else result)


SETTINGS = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class TestFuzz:
    @SETTINGS
    @given(data=st.data())
    def test_of_a_small_network_raises_only_model_errors(self, data):
        files = ncnn_files.small()
        _whatever_happens(data.draw(edits(files["param"])), files["bin"])

    @SETTINGS
    @given(data=st.data())
    def test_of_its_weights_raises_only_model_errors(self, data):
        files = ncnn_files.small()
        _whatever_happens(files["param"], data.draw(edits(files["bin"])))

    @settings(SETTINGS, max_examples=100)
    @given(data=st.data())
    def test_of_an_official_file_raises_only_model_errors(self, shared, data):
        files = ncnn_files.official(shared, "s")
        _whatever_happens(data.draw(edits(files["param"])), files["bin"])

    @SETTINGS
    @given(st.binary(max_size=200))
    def test_of_noise_raises_only_model_errors(self, noise):
        _whatever_happens(noise, b"")
        _whatever_happens(b"7767517\n" + noise, noise)

    def test_of_every_truncation_raises_only_model_errors(self):
        files = ncnn_files.small()
        for end in range(len(files["param"])):
            _whatever_happens(files["param"][:end], files["bin"])
        for end in range(len(files["bin"])):
            refused(r"\.bin, layer", files["param"], files["bin"][:end])


class TestNetwork:
    def test_knows_its_inputs_outputs_and_readers(self):
        files = ncnn_files.small()
        network = read_network(files["param"], files["bin"])
        assert network.inputs == ("image",)
        assert network.outputs == ("gated", "found")
        assert [layer.name for layer in network.consumers()["b"]] == ["split"]
        assert {"image", "a", "found"} < network.blobs

    @pytest.mark.parametrize("size", ncnn_files.SIZES)
    def test_of_the_official_files_has_four_outputs_of_84_channels(self, shared, size):
        files = ncnn_files.official(shared, size)
        network = read_network(files["param"], files["bin"])
        assert output_shapes(network, Size(320, 416)) == {
            "out3": (84, 5, 7),
            "out2": (84, 10, 13),
            "out1": (84, 20, 26),
            "out0": (84, 40, 52),
        }

    def test_says_which_layer_has_an_unknown_shape(self):
        network = read_network(param(INPUT, "Flip turn 1 1 in out", "ReLU act 1 1 out b"), b"")
        with pytest.raises(UnsupportedModelError, match=r"layer turn \(Flip\): its output shape"):
            output_shapes(network, Size(8, 8))

    def test_wants_the_shape_of_every_input(self):
        network = read_network(param(INPUT, "Input more 0 1 more"), b"")
        with pytest.raises(ModelError, match="the shape of the input more is not given"):
            blob_shapes(network, {"in": (3, 8, 8)})

    def test_with_two_inputs_has_no_output_shapes(self):
        network = read_network(param(INPUT, "Input more 0 1 more"), b"")
        with pytest.raises(ModelError, match="found in, more"):
            output_shapes(network, Size(8, 8))


def test_a_few_blobs_too_many_announced_do_no_harm():
    network = read_network(param(INPUT, "ReLU r 1 1 in out", blobs=3), b"")
    assert write_network(network)[0].split(b"\n")[1] == b"2 2"
