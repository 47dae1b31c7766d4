from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edge import board
from edge.backends import open_backend
from edge.backends.base import BackendOptions, TensorSpec
from edge.doctor import probe

pytest.importorskip("MNN")


@pytest.mark.parametrize("half", [False, True])
def test_gives_float32_also_where_the_cpu_computes_in_half_precision(monkeypatch, half):
    # There MNN stores two bytes a value. This CPU does not, but takes the same path through ours.
    monkeypatch.setattr(board, "has_half_arithmetic", lambda: half)
    files = {"mnn": (probe.FOLDER / "probe.mnn").read_bytes()}
    spec = TensorSpec("images", (1, 3, 32, 32))
    backend = open_backend("mnn", files, spec, ["found"], BackendOptions(1, "fp16"))
    assert backend.precision == ("fp16" if half else "fp32")
    results = []
    for fed in (probe.image(), 0 * probe.image(), probe.image()):
        backend.input_view()[...] = fed
        (output,) = backend.run()
        assert output.values.dtype == np.float32
        results.append(output.values.copy())
    backend.close()
    expected = np.load(probe.FOLDER / "found.npy")
    assert np.abs(results[0].reshape(expected.shape) - expected).max() < 0.02
    assert np.array_equal(results[0], results[2])
    assert np.abs(results[0] - results[1]).max() > 0.1


def network(folder, channels, axes):
    """An ONNX file of a convolution whose outputs have so many channels, and its reference."""
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(channels, 3, 1, 1)).astype(np.float32)
    kind, helper = onnx.TensorProto.FLOAT, onnx.helper
    nodes = [helper.make_node("Conv", ["x", "w"], ["maps"], name="c", kernel_shape=[1, 1])]
    outputs = [helper.make_tensor_value_info("maps", kind, [1, channels, 6, 10])]
    shape = [1, channels, 60] if axes == 3 else [1, channels, 10, 6]
    nodes.append(helper.make_node("Reshape", ["maps", "shape"], ["table"], name="r"))
    outputs.append(helper.make_tensor_value_info("table", kind, shape))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [1, 3, 6, 10])],
        outputs,
        [onnx.numpy_helper.from_array(weights, "w"),
         onnx.numpy_helper.from_array(np.array(shape, np.int64), "shape")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, folder / "a.onnx")
    image = rng.normal(size=(1, 3, 6, 10)).astype(np.float32)
    maps = np.einsum("oc,nchw->nohw", weights[:, :, 0, 0], image)
    return folder / "a.onnx", image, {"maps": maps, "table": maps.reshape(shape)}


@pytest.mark.parametrize("channels", [3, 4, 6])
@pytest.mark.parametrize("axes", [3, 4])
@pytest.mark.parametrize("keep", ["0", "1"])
def test_reads_and_writes_tensors_however_the_converter_lays_them_out(
    tmp_path, channels, axes, keep
):
    """With `keepInputFormat` 0 inputs and outputs lie in blocks of four channels."""
    source, image, expected = network(tmp_path, channels, axes)
    words = ["MNNConvert", "-f", "ONNX", "--modelFile", str(source), "--bizCode", "edge",
             "--MNNModel", str(tmp_path / "a.mnn"), "--keepInputFormat", keep]  # fmt: skip
    code = "import sys, _tools; _tools.mnnconvert(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)
    files = {"mnn": (tmp_path / "a.mnn").read_bytes()}
    for names in (["maps"], ["table"], ["table", "maps"]):
        spec = TensorSpec("x", image.shape)
        backend = open_backend("mnn", files, spec, names, BackendOptions(1, "fp32"))
        for fed in (image, 2 * image):
            backend.input_view()[...] = fed
            for name, output in zip(names, backend.run(), strict=True):
                result = expected[name] * (fed / image).flat[0]
                assert output.values.shape == result.shape
                np.testing.assert_allclose(output.values, result, rtol=1e-4, atol=1e-5)
        backend.close()
