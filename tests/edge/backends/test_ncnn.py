from __future__ import annotations

import os
import subprocess
import sys

import ncnn
import ncnn_files
import numpy as np
import pytest
from ncnn_files import param, tagged

from edge.backends.base import BackendOptions, TensorSpec
from edge.backends.ncnn import load
from edge.errors import BackendError, ModelError

ONE_THREAD = BackendOptions(threads=1)
IN = "Input in 0 1 in"


def open_small(shape=(1, 3, 32, 24), outputs=("found", "gated"), options=ONE_THREAD):
    return load(ncnn_files.small(), TensorSpec("image", shape), outputs, options)


def open_lines(*lines, weights=b"", shape=(1, 3, 8, 8), outputs=("out",), options=ONE_THREAD):
    files = {"param": param(IN, *lines), "bin": weights}
    return load(files, TensorSpec("in", shape), outputs, options)


class TestOutputs:
    @pytest.mark.parametrize("size", ncnn_files.SIZES)
    def test_equal_those_of_the_runtime_used_plainly(self, shared, size, tmp_path):
        files = ncnn_files.official(shared, size)
        names = ("out0", "out1", "out2", "out3")
        image = np.random.default_rng(0).random((3, 128, 160), np.float32)
        backend = load(files, TensorSpec("in0", (1, 3, 128, 160)), names, ONE_THREAD)
        backend.input_view()[:] = image
        result = backend.run()
        expected = ncnn_files.infer(files, image, names, tmp_path)
        for tensor, array in zip(result, expected, strict=True):
            assert tensor.values.dtype == np.float32
            np.testing.assert_array_equal(tensor.values, array)

    @pytest.mark.parametrize("shape", [(1, 3, 32, 24), (1, 3, 31, 23), (1, 3, 33, 17)])
    def test_equal_them_at_odd_sizes(self, shape, tmp_path):
        image = ncnn_files.random(*shape[1:])
        backend = open_small(shape)
        backend.input_view()[:] = image
        expected = ncnn_files.infer(ncnn_files.small(), image, ("found", "gated"), tmp_path)
        for tensor, array in zip(backend.run(), expected, strict=True):
            np.testing.assert_array_equal(tensor.values, array)

    def test_come_in_the_order_asked_for(self):
        one, other = open_small(outputs=("found", "gated")), open_small(outputs=("gated", "found"))
        for backend in (one, other):
            backend.input_view()[:] = ncnn_files.random(3, 32, 24)
        for a, b in zip(one.run(), other.run()[::-1], strict=True):
            np.testing.assert_array_equal(a.values, b.values)

    def test_are_views_that_keep_the_channel_stride_of_the_runtime(self):
        backend = open_small((1, 3, 10, 10))
        values = backend.run()[0].values
        assert values.shape == (8, 5, 5)
        assert values.strides == (112, 20, 4)  # 25 values and 3 of padding
        assert isinstance(values.base, ncnn.Mat)

    def test_may_be_blobs_inside_the_network(self, tmp_path):
        names = ("found", "b", "j", "h")
        image = ncnn_files.random(3, 32, 24)
        backend = open_small(outputs=names)
        backend.input_view()[:] = image
        result = backend.run()
        assert [tensor.values.ndim for tensor in result] == [3, 3, 3, 1]
        for tensor, name in zip(result, names, strict=True):
            (alone,) = ncnn_files.infer(ncnn_files.small(), image, (name,), tmp_path)
            np.testing.assert_array_equal(tensor.values, alone)

    def test_stay_readable_after_close(self):
        backend = open_small()
        backend.input_view()[:] = 1
        result = backend.run()[0].values
        kept = result.copy()
        backend.close()
        np.testing.assert_array_equal(result, kept)


class TestInput:
    def test_is_one_contiguous_buffer_of_the_promised_shape(self):
        backend = open_small((1, 3, 31, 23))
        view = backend.input_view()
        assert view.shape == backend.input.shape
        assert view.dtype == np.float32
        assert view.flags.c_contiguous
        assert view.flags.writeable
        assert backend.input_view() is view

    def test_is_read_in_place(self):
        backend = open_small()
        first = backend.run()[0].values.copy()
        backend.input_view()[:] = 1
        assert not np.array_equal(backend.run()[0].values, first)

    @pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 3, 7, 7), (1, 1, 4, 4)])
    def test_survives_a_first_layer_that_works_in_place(self, shape):
        backend = open_lines("ReLU act 1 1 in out", shape=shape)
        backend.input_view()[:] = -1
        for _ in range(2):
            assert backend.run()[0].values.max() == 0
            assert backend.input_view().max() == -1

    def test_of_another_name_names_those_present(self):
        with pytest.raises(ModelError, match="one input images is wanted, found image"):
            load(ncnn_files.small(), TensorSpec("images", (1, 3, 8, 8)), ("found",), ONE_THREAD)

    @pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 3, 0, 32), (3, 32, 32)])
    def test_of_another_form_is_refused(self, shape):
        with pytest.raises(ModelError, match="image is"):
            open_small(shape)

    def test_of_another_dtype_is_refused(self):
        spec = TensorSpec("image", (1, 3, 32, 32), dtype="uint8")
        with pytest.raises(ModelError, match="uint8"):
            load(ncnn_files.small(), spec, ("found",), ONE_THREAD)

    def test_with_the_wrong_number_of_channels_is_refused_before_it_runs(self):
        with pytest.raises(ModelError, match=r"layer stem .*for 3 input channels, the input has 4"):
            open_small((1, 4, 32, 32))

    def test_too_large_for_the_network_is_refused(self):
        with pytest.raises(ModelError, match="would be"):
            open_small((1, 3, 65536, 65536))


class TestFiles:
    def test_that_lack_an_output_name_those_present(self):
        with pytest.raises(ModelError, match="no output out7; its outputs are gated, found"):
            open_small(outputs=("found", "out7"))

    def test_without_any_output_asked_for_are_refused(self):
        with pytest.raises(ModelError, match="no outputs"):
            open_small(outputs=())

    @pytest.mark.parametrize("suffix", ["param", "bin"])
    def test_that_are_truncated_are_refused(self, suffix):
        files = ncnn_files.small()
        files[suffix] = files[suffix][: len(files[suffix]) // 2]
        with pytest.raises(ModelError, match=rf"^\.{suffix}"):
            load(files, TensorSpec("image", (1, 3, 32, 32)), ("found",), ONE_THREAD)

    @pytest.mark.parametrize(
        ("lines", "weights", "message"),
        [
            (
                ["Split s 1 2 in a b", "Pooling p 1 1 b c 1=2 2=2", "Eltwise e 2 1 a c out 0=1"],
                b"",
                r"layer e \(Eltwise\)",
            ),
            (["Split s 1 2 in a b", "GridSample g 2 1 a b out"], b"", r"layer g \(GridSample\)"),
            (
                ["Quantize q 1 1 in a", "Sigmoid s 1 1 a out"],
                np.ones(1, np.float32).tobytes(),
                r"layer s \(Sigmoid\): it reads floats, its input a is int8",
            ),
            (
                ["Quantize q 1 1 in out"],
                np.ones(1, np.float32).tobytes(),
                "its output out is int8; floats are wanted",
            ),
            (["Requantize r 1 1 in out"], np.ones(2, np.float32).tobytes(), "layer r"),
            (["Flip f 1 1 in a", "Eltwise e 2 1 a a out"], b"", r"layer f \(Flip\)"),
        ],
    )
    def test_that_would_read_outside_their_memory_are_refused(self, lines, weights, message):
        with pytest.raises(ModelError, match=message):
            open_lines(*lines, weights=weights)

    def test_that_only_the_runtime_refuses_are_a_model_error(self, capfd):
        with pytest.raises(ModelError, match=r"ncnn does not load this \.param, code -1"):
            open_lines("Reduction r 1 1 in out 0=1 1=1 -23303=1,6 5=1")
        assert capfd.readouterr().err  # the runtime's own words are not an error message


class TestRun:
    def test_after_close_is_an_error_and_close_is_safe_twice(self):
        backend = open_small()
        backend.close()
        backend.close()
        with pytest.raises(BackendError, match="closed"):
            backend.run()

    def test_that_fails_in_the_runtime_names_the_output(self, monkeypatch):
        backend = open_small(outputs=("gated",))
        monkeypatch.setattr(backend, "_outputs", ("gone",))
        with pytest.raises(BackendError, match="output gone failed, code -1"):
            backend.run()


class TestPrecision:
    def test_is_float32_on_a_cpu_without_half_arithmetic(self, monkeypatch):
        monkeypatch.setattr(ncnn, "cpu_support_arm_asimdhp", lambda: 0)
        for asked in (None, "fp16", "fp32"):
            assert open_small(options=BackendOptions(1, asked)).precision == "fp32"

    def test_is_float16_on_a_cpu_with_it_unless_float32_is_asked(self, monkeypatch):
        monkeypatch.setattr(ncnn, "cpu_support_arm_asimdhp", lambda: 1)
        assert open_small(options=BackendOptions(1)).precision == "fp16"
        assert open_small(options=BackendOptions(1, "fp16")).precision == "fp16"
        assert open_small(options=BackendOptions(1, "fp32")).precision == "fp32"

    def test_float32_keeps_all_its_digits(self):
        # 1 + 2^-20 is 1 in half precision and in bfloat16.
        backend = open_lines(
            "Convolution conv 1 1 in a 0=8 1=1 6=24",
            "ReLU act 1 1 a b",
            "Convolution more 1 1 b out 0=8 1=1 6=64",
            weights=tagged(np.eye(8, 3, dtype="f4")) + tagged(np.eye(8, dtype="f4")),
            options=BackendOptions(1, "fp32"),
        )
        backend.input_view()[:] = np.float32(1 + 2**-20)
        assert (backend.run()[0].values[:3] == np.float32(1 + 2**-20)).all()

    @pytest.mark.parametrize("asked", [None, "fp32", "fp16", "int8"])
    def test_of_an_int8_file_is_int8_whatever_is_asked(self, asked, tmp_path):
        line = "Convolution conv 1 1 in out 0=4 1=1 6=12 8=2"
        weights = tagged(ncnn_files.random(12, dtype="int8")) + np.full(5, 64.0, "f4").tobytes()
        backend = open_lines(line, weights=weights, options=BackendOptions(1, asked))
        assert backend.precision == "int8"
        image = ncnn_files.random(3, 8, 8)
        backend.input_view()[:] = image
        codes = np.clip(np.rint(image * 64), -127, 127)
        matrix = np.frombuffer(weights, np.int8, 12, 4).reshape(4, 3).astype(np.float64)
        expected = np.einsum("oc,chw->ohw", matrix, codes) / (64 * 64)
        np.testing.assert_allclose(backend.run()[0].values, expected, rtol=1e-3, atol=1e-3)

    def test_int8_asked_of_a_float_file_is_an_error(self):
        with pytest.raises(BackendError, match="INT8 files only"):
            open_small(options=BackendOptions(1, "int8"))


class TestOptions:
    def test_threads_are_all_cores_unless_asked_for(self):
        assert open_small(options=BackendOptions()).threads == len(os.sched_getaffinity(0))
        assert open_small(options=BackendOptions(threads=2)).threads == 2

    @pytest.mark.parametrize("version", ["1.0.20250503", "1.0", "0.9.99999999"])
    def test_a_runtime_that_is_too_old_is_refused(self, version, monkeypatch):
        monkeypatch.setattr(ncnn, "__version__", version)
        with pytest.raises(
            BackendError, match=rf"1\.0\.20261020 or newer is needed, found {version}"
        ):
            open_small()

    @pytest.mark.parametrize("version", ["1.0.20261020", "1.0.20270101", "1.1.20270101+local"])
    def test_a_newer_runtime_is_taken(self, version, monkeypatch):
        monkeypatch.setattr(ncnn, "__version__", version)
        assert open_small().precision in ("fp32", "fp16")


def test_an_interrupt_inside_an_inference_leaves_what_can_be_closed(shared):
    model = shared / "models" / "yolov6lite" / "yolov6-lite-s.param"
    code = """
import signal, sys
from edge import Detector, Frame, Size
import numpy as np
signal.signal(signal.SIGALRM, signal.default_int_handler)
detector = Detector.load(sys.argv[1], threads=1, imgsz=640)
try:
    with detector:
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # less than an inference takes
        while True:
            detector(np.zeros((640, 640, 3), np.uint8))
except KeyboardInterrupt:
    print("closed")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n")
