"""Whole networks into every runtime."""

import re
from dataclasses import replace
from pathlib import Path

import emitted
import numpy as np
import onnx
import pytest
from ncnn_files import SIZES
from same_boxes import Alike, apart
from small_detector import detector, with_grouped_deconvolution

from calibration import canonical, emit
from calibration.canonical import for_targets
from calibration.check import float_file
from calibration.graph import Graph
from edge.backends import BACKENDS
from edge.detector import Detector
from edge.errors import ModelError, UnsupportedModelError
from edge.io.sources.images import read_image
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Size

TINY = Overrides(family="yolov7-tiny")
# Network, form of the export, what is said of it, and the form after the cut.
EXPORTS = [
    ("yolov6n-v1", "decoded", None, "centers"),
    ("yolov6n-v2", "decoded", None, "split"),
    ("yolov6n-v3", "decoded", None, "split"),
    ("yolov6n-v3", "heads", None, "split"),
    ("yolov6n-v3", "end2end", None, "split"),
    ("yolov6n-v3", "end2end-ort", None, "split"),
    ("yolov7-tiny", "raw", TINY, "heads"),
    ("yolov7-tiny", "grid", None, "heads"),
    ("yolov7-tiny", "end2end", None, "heads"),
]

# Random weights give slivers and boxes wider than the image, which trained ones do not.
NEAR = Alike(pixels=0.05)
WINOGRAD = Alike(0.95, 0.02, pixels=1.0)  # MNN's way to convolve loses bits


def image(networks):
    pixels = networks.image(Size(240, 320), seed=3)[0].numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(pixels * 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "form", "answer", "cut"), EXPORTS)
def test_an_export_finds_the_same_in_every_runtime(network, form, answer, cut, tmp_path):
    networks = pytest.importorskip("networks")
    path = networks.write_onnx(tmp_path, network, form, Size(192, 192))
    opened = open_model([path], answer)
    written = for_targets(opened, tuple(BACKENDS), precision="fp32").package
    assert written.spec.form == cut
    # Without suppression, which turns a hair's breadth into a box more or less.
    rules = {"iou": 1.0, "max_det": 10_000, "precision": "fp32", "threads": 1}
    results = {}
    for backend in BACKENDS:
        with Detector.load(written, backend=backend, **rules) as one:
            results[backend] = one(image(networks))
    with Detector.load(opened.package, **rules) as whole:
        as_it_came = whole(image(networks))
    expected = results.pop("onnxruntime")
    assert len(expected) > 50
    if not form.startswith("end2end"):  # those suppress inside the file
        assert not apart(as_it_came, expected, 0.25, NEAR)
    for backend, boxes in results.items():
        agreement, limit = (WINOGRAD, 0.02 * len(expected)) if backend == "mnn" else (NEAR, 0)
        assert len(apart(boxes, expected, 0.25, agreement)) <= limit, backend


@pytest.mark.parametrize("size", SIZES)
def test_an_ncnn_model_goes_into_every_runtime(shared, size):
    stem = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}"
    opened = open_model([stem.with_suffix(".param")])
    photograph = read_image(str(min((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))))
    written = for_targets(opened, ("tflite", "mnn", "ncnn", "onnxruntime"), image=photograph)
    assert [a.backend for a in written.package.artifacts] == [
        "tflite",
        "mnn",
        "ncnn",
        "onnxruntime",
    ]
    assert [a.precision for a in written.package.artifacts] == ["fp32", "fp16", "fp16", "fp32"]
    assert written.package.spec.form == "split"
    message = " ".join(written.evidence)
    assert "cut at the outputs of its last convolutions" in message
    assert "files are compared in the image given" in message
    assert (
        re.findall(r"agrees with ONNX Runtime, SQNR \d\d+ dB or more, (\d+) b", message)
        == ["200"] * 3
    )


def test_a_cut_is_compared_in_the_first_image_with_something_in_it(shared):
    package = open_model([shared / "models" / "yolov6lite" / "yolov6-lite-s.param"]).package
    photograph = read_image(str(min((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))))
    images = iter([np.full((320, 320, 3), 60, np.uint8), photograph, "not looked at"])
    _, spec, sentence = canonical.canonical(package, images)
    assert spec.form == "split"
    assert "cut at the outputs" in sentence
    assert next(images) == "not looked at"


@pytest.fixture
def opened(tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(detector())
    return open_model([path])


def test_a_network_is_cut_where_its_decoder_begins(opened):
    spec = for_targets(opened, ("onnxruntime",)).package.spec
    assert (opened.package.spec.form, spec.form) == ("rows", "split")
    assert spec.output_names == ("scores8", "scores16", "scores32", "boxes8", "boxes16", "boxes32")
    assert spec.strides == (8, 16, 32)


def test_a_network_whose_end_is_not_understood_stays_whole(tmp_path):
    path = tmp_path / "odd.onnx"
    model = onnx.load_from_string(detector())
    for node in list(model.graph.node):  # distances that our decoder does not know
        if node.op_type == "Split":
            node.input[0] = f"{node.input[0]}/odd"
            square = onnx.helper.make_node("Abs", [node.input[0][:-4]], [node.input[0]])
            model.graph.node.insert(list(model.graph.node).index(node), square)
    path.write_bytes(model.SerializeToString())
    opened = open_model([path])
    written = for_targets(opened, ("ncnn", "tflite"))
    assert written.package.spec == opened.package.spec
    assert "left whole" in " ".join(written.evidence)


def spoilt(monkeypatch, backend, name):
    """An emitter that gets one weight wrong."""
    real = emit.emitter

    def wrong(graph, *, half=False):
        constants = {
            key: values * np.float32(1.2) if key == name else values
            for key, values in graph.constants.items()
        }
        return real(backend)(replace(graph, constants=constants), half=half)

    def chosen(asked):
        return wrong if asked == backend else real(asked)

    monkeypatch.setattr(emit, "emitter", chosen)


def weight_of(graph: Graph, name: str) -> str:
    return next(node.inputs[1] for node in graph.nodes if node.output == name)


@pytest.mark.parametrize("backend", ["ncnn", "tflite", "mnn"])
def test_a_wrong_weight_is_caught_and_its_layer_named(opened, backend, monkeypatch):
    graph = emitted.canonical(opened.package.artifacts[0].files["onnx"])
    assert for_targets(opened, (backend,), precision="fp32").package.artifacts
    spoilt(monkeypatch, backend, weight_of(graph, "down16"))
    with pytest.raises(ModelError, match=r"they part at node_down16 \(Conv\)"):
        for_targets(opened, (backend,), precision="fp32")


def test_boxes_that_a_fast_convolution_moves_are_told_from_a_wrong_file(tmp_path, monkeypatch):
    path = tmp_path / "deep.onnx"
    path.write_bytes(detector(deep=4))
    opened = open_model([path])
    monkeypatch.setattr(float_file, "FULL", replace(float_file.FULL, decibels=112.0))
    written = for_targets(opened, ("mnn",), precision="fp32")
    assert [a.backend for a in written.package.artifacts] == ["mnn"]
    if "Winograd" not in written.evidence[-1]:
        pytest.skip("on this CPU MNN does not use Winograd's method here")
    assert "without Winograd's method; with it, as it usually runs, its" in written.evidence[-1]
    spoilt(monkeypatch, "mnn", weight_of(emitted.canonical(path.read_bytes()), "deep2"))
    with pytest.raises(ModelError, match=r"they part at node_deep2 \(Conv\)"):
        for_targets(opened, ("mnn",), precision="fp32")


def test_a_runtime_that_lacks_an_operator_is_told_which_ones_do_not(tmp_path):
    path = tmp_path / "grouped.onnx"
    path.write_bytes(with_grouped_deconvolution())
    opened = open_model([path], Overrides(family="yolov6"))
    with pytest.raises(
        UnsupportedModelError, match=r"node_up \(ConvTranspose\).*take the model: ncnn, mnn, onnxr"
    ):
        for_targets(opened, ("tflite",))


def test_int8_is_left_to_calibration(opened):
    with pytest.raises(ValueError, match="calibration writes INT8"):
        for_targets(opened, ("ncnn",), precision="int8")


def test_a_model_without_a_source_is_refused(opened):
    only = replace(for_targets(opened, ("tflite",)).package)
    with pytest.raises(UnsupportedModelError, match="this one is tflite fp32"):
        for_targets(replace(opened, package=only), ("ncnn",))


def test_a_network_that_detects_nothing_is_cut_by_what_comes_nearest():
    """One that is hardly trained, of two classes: its calibration had no heads to learn from."""
    pytest.importorskip("torch")
    from calibration.canonical import canonical
    from calibration.nets.config import YOLOv7Tiny
    from calibration.nets.network import network
    from calibration.quant.simulate.heads import levels
    from edge.errors import CalibrationError

    opened = blind(network(YOLOv7Tiny(classes=2)).eval())
    graph, spec, sentence = canonical(opened)
    assert sentence.startswith("cut at the outputs of its last convolutions")
    outputs = [np.zeros(graph.shapes[name], np.float32) for name in spec.output_names]
    assert [level.classes.shape[:3] for level in levels(outputs, spec)] == [(1, 3, 2)] * 3
    apart = [values.reshape(1, 3, 7, *values.shape[2:]) for values in outputs]
    with pytest.raises(CalibrationError, match="raw outputs of its last convolutions"):
        levels(apart, spec)


def blind(net):
    from tempfile import TemporaryDirectory

    from calibration.export import export
    from edge.overrides import Overrides
    from edge.recognize import open_model
    from edge.types import Size

    with TemporaryDirectory() as folder:
        path = Path(folder) / "blind.onnx"
        export(net, path, form="raw", size=Size(96, 96))
        return open_model([path], Overrides(family="yolov7-tiny")).package
