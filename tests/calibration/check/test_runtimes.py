"""Whole detectors in INT8, in every runtime, from the images to the boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_detector
from plans import plan_of

from calibration.check.int8_file import check
from calibration.emit import EMITTERS, float_artifact, int8_artifact
from calibration.frontends import ncnn
from calibration.frontends.head import cuts
from calibration.frontends.onnx import read
from calibration.frontends.simplify import simplify
from calibration.quant.plan.prepare import prepare
from edge import package
from edge.cli import main
from edge.conveyor import Conveyor
from edge.detector import Detector
from edge.evaluate import agreement
from edge.formats.ncnn import read_network
from edge.recognize import open_model

MODELS = Path(__file__).parents[2] / "models"
TRAINED = ["bccd-yolov6n", "bccd-yolov7-tiny"]


def fed(spec, images):
    """What the network reads of images of its own size."""
    size = (3, spec.input.height, spec.input.width)
    whole = [p[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255 for p in images]
    return [values.reshape(1, *size) for values in whole]


@pytest.fixture(scope="module")
def int8_package(tmp_path_factory):
    """A small detector in INT8 for every runtime, as a folder."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "small.onnx").write_bytes(small_detector.detector())
    opened = open_model([folder / "small.onnx"]).package
    cut = next(iter(cuts(simplify(read((folder / "small.onnx").read_bytes()).graph), opened.spec)))
    images = [Conveyor(0, cut.spec.input).render(i)[0].copy() for i in range(4)]
    plans = [plan_of(cut.graph, fed(cut.spec, images), target) for target in EMITTERS]
    float_layers = float_artifact("onnxruntime", cut.graph)
    made = (float_layers, *(int8_artifact(cut.graph, plan) for plan in plans))
    package.write(replace(opened, spec=cut.spec, artifacts=made), folder / "small.edge")
    return folder / "small.edge"


@pytest.mark.parametrize("backend", EMITTERS)
def test_a_package_in_int8_finds_what_its_float_model_does(backend, int8_package):
    size = package.read(int8_package).spec.input
    images = [Conveyor(1, size).render(i)[0].copy() for i in (5, 6)]
    rules = {"conf": 0.05, "multi_label": True}
    with Detector.load(int8_package, backend="onnxruntime", precision="fp32", **rules) as exact:
        expected = [exact(image) for image in images]
    with Detector.load(int8_package, backend=backend, precision="int8", **rules) as detector:
        assert detector.backend.precision == "int8"
        detections = [detector(image) for image in images]
    same = agreement(expected, detections, classes=3)
    assert same.expected > 0
    assert same.ap50 > 0.9


def test_tflite_reads_pixels_and_gives_codes(int8_package):
    with Detector.load(int8_package, backend="tflite", precision="int8") as detector:
        assert detector.backend.input.dtype == "int8"
        assert detector.backend.input_view().dtype == np.int8
        assert {output.values.dtype.name for output in detector.backend.run()} == {"int8"}


@pytest.mark.parametrize("backend", EMITTERS)
def test_the_command_line_runs_it(backend, int8_package, capsys):
    pytest.importorskip("cv2")
    words = ["--backend", backend, "--precision", "int8", "--threads", "1"]
    source = ["--source", "test:conveyor?seed=1&frames=2", "--json"]
    assert main(["run", "--model", str(int8_package), *words, *source]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def trained(name):
    """A trained network cut at its heads, and how to read it."""
    model = package.read(MODELS / f"{name}.edge")
    files = model.artifacts[0].files
    graph = simplify(ncnn.read(read_network(files["param"], files["bin"]), model.spec.input))
    if model.spec.form == "split":  # it ends at its heads
        return prepare(graph.rebuilt(outputs=model.spec.output_names)), model
    cut = next(iter(cuts(graph, model.spec)))
    return prepare(cut.graph), replace(model, spec=cut.spec)


@pytest.fixture
def cells(shared):
    """Images of the size that the trained networks read, none of them seen in training."""
    cv2 = pytest.importorskip("cv2")
    folder = shared / "data" / "bccd"
    names = (folder / "ImageSets" / "Main" / "val.txt").read_text().split()
    paths = [folder / "JPEGImages" / f"{name}.jpg" for name in names[:32]]
    return [cv2.resize(cv2.imread(str(path)), (320, 320)) for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize("backend", EMITTERS)
@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_detector_computes_its_plan_with_every_convolution_on_codes(
    name, backend, cells, tmp_path, shared, capsys
):
    graph, model = trained(name)
    plan = plan_of(graph, fed(model.spec, cells[:8]), backend)
    made = int8_artifact(graph, plan)
    result = check(made, graph, plan, model.spec, cells[8:])
    assert result.layers == sum(node.op == "Conv" for node in graph.nodes) == 58
    assert result.agreement.ap50 >= 0.97
    package.write(replace(model, artifacts=(made,)), tmp_path / "model.edge")
    words = ["--backend", backend, "--precision", "int8", "--threads", "1", "--split", "test"]
    data = ["--data", str(shared / "data" / "bccd"), "--json"]
    assert main(["eval", "--model", str(tmp_path / "model.edge"), *words, *data]) == 0
    assert json.loads(capsys.readouterr().out)["AP50"] > 0.83  # in floats .857 and .888
