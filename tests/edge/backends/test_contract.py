"""What every runtime must do, on one small network; a new row is tested by being there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from functools import cache

import numpy as np
import pytest

from edge.backends import BACKENDS, describe, host, open_backend
from edge.backends.base import BackendOptions, TensorSpec
from edge.errors import BackendError, ModelError

onnx = pytest.importorskip("onnx")

SHAPE = (1, 3, 64, 64)
OUTPUTS = ("first", "second")


def network(channels=8, depth=1):
    """Convolutions with ReLU between, and a second output from the last but one."""
    helper, rng = onnx.helper, np.random.default_rng(0)
    nodes, weights, name, width = [], [], "images", 3
    for i in range(depth + 1):
        w = rng.normal(0, (2 / (9 * width)) ** 0.5, (channels, width, 3, 3)).astype(np.float32)
        b = rng.normal(0, 0.1, channels).astype(np.float32)
        weights += [
            onnx.numpy_helper.from_array(w, f"w{i}"),
            onnx.numpy_helper.from_array(b, f"b{i}"),
        ]
        last = i == depth
        out = "first" if last else f"c{i}"
        step = 2 if last else 1
        nodes.append(
            helper.make_node(
                "Conv",
                [name, f"w{i}", f"b{i}"],
                [out],
                kernel_shape=[3, 3],
                pads=[1, 1, 1, 1],
                strides=[step, step],
            )
        )
        if not last:
            name = "second" if i == depth - 1 else f"r{i}"
            nodes.append(helper.make_node("Relu", [out], [name]))
        width = channels
    value = helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "small",
        [value("images", kind, SHAPE)],
        [value("first", kind, (1, channels, 32, 32)), value("second", kind, (1, channels, 64, 64))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@cache
def files(name, channels=8, depth=1):
    """The network as a runtime takes it."""
    emitter = pytest.importorskip("calibration.emit").emitter
    from calibration.frontends.onnx import read

    return emitter(name)(read(network(channels, depth).SerializeToString()).graph)


def input_of(name, files, shape=SHAPE):
    """The input as the file lays it out."""
    layout = describe(name, files).inputs[0].layout
    batch, channels, height, width = shape
    shape = (batch, height, width, channels) if layout == "NHWC" else shape
    return TensorSpec("images", shape, layout=layout)


def opened(name, outputs=OUTPUTS, *, channels=8, depth=1, **options):
    model = files(name, channels, depth)
    return open_backend(
        name, model, input_of(name, model), outputs, BackendOptions(**{"threads": 1, **options})
    )


def fill(backend, image):
    """Give a (1, 3, H, W) image, in the order of axes that the runtime wants."""
    view = backend.input_view()
    view[...] = image.transpose(0, 2, 3, 1) if backend.input.layout == "NHWC" else image


def chw(tensor):
    """An output as (C, H, W): only the input's order of axes is the runtime's own."""
    return tensor.values[0] if tensor.values.ndim == 4 else tensor.values


@cache
def image():
    return np.random.default_rng(1).random(SHAPE, np.float32)


@cache
def expected():
    """What the reference computes."""
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(
        network().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(list(OUTPUTS), {"images": image()})


@pytest.fixture(params=BACKENDS)
def name(request):
    return request.param


class TestEveryBackend:
    def test_computes_what_the_reference_does(self, name):
        backend = opened(name, precision="fp32")
        fill(backend, image())
        for result, expectation in zip(backend.run(), expected(), strict=True):
            np.testing.assert_allclose(chw(result), expectation[0], atol=1e-4)
        backend.close()

    def test_gives_the_outputs_in_the_order_asked_for(self, name):
        backend = opened(name, ("second", "first"))
        fill(backend, image())
        second, first = backend.run()
        assert chw(second).shape == (8, 64, 64)
        assert chw(first).shape == (8, 32, 32)
        backend.close()

    def test_reads_its_input_again_each_time(self, name):
        backend = opened(name, ("first",))
        observed = []
        for photo in (image(), np.zeros(SHAPE, np.float32), image()):
            fill(backend, photo)
            observed.append(chw(backend.run()[0]).copy())
        np.testing.assert_array_equal(observed[0], observed[2])
        assert np.abs(observed[0] - observed[1]).max() > 0.1
        backend.close()

    def test_describes_its_files(self, name):
        result = describe(name, files(name))
        assert [spec.name for spec in result.inputs] == ["images"]
        assert set(result.outputs) == set(OUTPUTS)
        assert result.precision == "fp32"

    def test_says_what_is_in_effect(self, name):
        backend = opened(name, precision="fp32", threads=2)
        assert (backend.precision, backend.threads) == ("fp32", 2)
        assert backend.input_view().shape == backend.input.shape
        assert backend.input_view().dtype == backend.input.dtype
        backend.close()

    def test_is_closed_once_and_for_all(self, name):
        backend = opened(name)
        backend.close()
        backend.close()
        with pytest.raises(BackendError, match="closed"):
            backend.run()

    def test_gives_the_interpreter_to_other_threads(self, name):
        backend = opened(name, ("first",), channels=64, depth=8)
        backend.run()
        numbers = list(np.random.default_rng(0).random(400_000))
        given, kept = ticks_during(backend.run), ticks_during(lambda: sorted(numbers))
        assert given > 10 * kept  # the control holds it throughout, but for a straggler
        backend.close()

    def test_prints_nothing_on_standard_output(self, name, tmp_path):
        for suffix, content in files(name).items():
            (tmp_path / f"m.{suffix}").write_bytes(content)
        done = run_python(SILENT, name, tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def test_leaves_the_cores_alone_between_inferences(self, name, tmp_path):
        for suffix, content in files(name, channels=64).items():
            (tmp_path / f"m.{suffix}").write_bytes(content)
        quiet = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
        share = share_of_pauses(name, tmp_path, quiet)
        assert share < 0.1
        # The control, and: what the user has set stays. With more threads than cores none spins.
        if name == "ncnn" and host.threads(0) > 1:
            active = quiet | {"OMP_WAIT_POLICY": "active"}
            assert share_of_pauses(name, tmp_path, active) > 10 * share

    def test_opens_no_socket(self, name, tmp_path):
        for suffix, content in files(name).items():
            (tmp_path / f"m.{suffix}").write_bytes(content)
        done = run_python(NO_SOCKET + SILENT, name, tmp_path)
        assert done.returncode == 0, done.stderr
        control = run_python(NO_SOCKET + "import socket; socket.socket()", name, tmp_path)
        assert "opened a socket" in control.stderr


class TestEveryBackendRefuses:
    def test_an_input_of_another_name(self, name):
        model = files(name)
        spec = input_of(name, model)
        wrong = TensorSpec("image", spec.shape, layout=spec.layout)
        with pytest.raises(ModelError, match="one input image is wanted, found images"):
            open_backend(name, model, wrong, OUTPUTS)

    def test_an_output_that_is_not_there(self, name):
        with pytest.raises(ModelError, match="no output third; its outputs are"):
            opened(name, ("first", "third"))

    def test_no_outputs_at_all(self, name):
        with pytest.raises(ModelError, match="no outputs are asked for"):
            opened(name, ())

    @pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 0.5, 0.99])
    def test_a_truncated_file(self, name, keep):
        model = files(name)
        for suffix, content in model.items():
            length = int(keep * len(content)) if isinstance(keep, float) else keep
            cut = {**model, suffix: content[:length]}
            with pytest.raises(ModelError):
                open_backend(name, cut, TensorSpec("images", SHAPE), OUTPUTS)

    def test_a_file_of_another_kind(self, name):
        junk = {suffix: bytes(range(256)) * 10 for suffix in BACKENDS[name]}
        for call in (
            lambda: open_backend(name, junk, TensorSpec("images", SHAPE), OUTPUTS),
            lambda: describe(name, junk),
        ):
            with pytest.raises(ModelError):
                call()

    def test_int8_of_a_float_file(self, name):
        with pytest.raises(BackendError, match="INT8 from INT8 files only"):
            opened(name, precision="int8")

    def test_a_size_that_the_file_does_not_allow(self, name):
        model = files(name)
        spec = input_of(name, model, (1, 3, 96, 96))
        try:
            backend = open_backend(name, model, spec, ("first",))
        except ModelError as error:
            assert "fixed shape" in str(error)  # noqa: PT017 - either outcome is right
        else:
            fill(backend, np.zeros((1, 3, 96, 96), np.float32))
            assert chw(backend.run()[0]).shape == (8, 48, 48)
            backend.close()


def ticks_during(call):
    """How often another Python thread gets to run inside `call`, which takes turns with nobody."""
    ticks, stop, kept = 0, threading.Event(), sys.getswitchinterval()

    def tick():
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        sys.setswitchinterval(60)  # Python itself hands nothing over in that time
        time.sleep(0.02)  # the other thread may still be waiting by the old one
        inside, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.3:
            before = ticks
            call()
            inside += ticks - before
    finally:
        sys.setswitchinterval(kept)
        stop.set()
        thread.join()
    return inside


def share_of_pauses(name, folder, environment):
    """CPU time spent in a pause between inferences on two threads, as a share of the pause.

    The median of several: what spins does so in each, while a busy machine disturbs a few.
    """
    done = run_python(PAUSES, name, folder, environment)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def run_python(code, name, folder, environment=None):
    words = [sys.executable, "-c", code, name, str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


SILENT = """
import sys
from pathlib import Path
from edge.backends import describe, open_backend
from edge.backends.base import TensorSpec
name, folder = sys.argv[1], Path(sys.argv[2])
files = {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}
layout = describe(name, files).inputs[0].layout
shape = (1, 64, 64, 3) if layout == "NHWC" else (1, 3, 64, 64)
backend = open_backend(name, files, TensorSpec("images", shape, layout=layout), ["first"])
backend.run()
backend.close()
"""
PAUSES = """
import statistics, sys, time
from pathlib import Path
from edge.backends import describe, open_backend
from edge.backends.base import BackendOptions, TensorSpec
name, folder = sys.argv[1], Path(sys.argv[2])
files = {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}
layout = describe(name, files).inputs[0].layout
shape = (1, 64, 64, 3) if layout == "NHWC" else (1, 3, 64, 64)
input_ = TensorSpec("images", shape, layout=layout)
backend = open_backend(name, files, input_, ["first"], BackendOptions(threads=2))
shares = []
for _ in range(11):
    backend.run()
    start = time.process_time()
    time.sleep(0.05)
    shares.append((time.process_time() - start) / 0.05)
print(statistics.median(shares))
"""
NO_SOCKET = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError(f"opened a socket: {event} {args}")
sys.addaudithook(refuse)
"""
