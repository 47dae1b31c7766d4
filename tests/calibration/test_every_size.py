"""Each network trained here, of any number of classes and at any size, through every runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need the extra train")
pytest.importorskip("onnxruntime")

from networks import image, trained
from same_boxes import Alike, apart

from calibration.canonical import for_targets
from calibration.checkpoints.training_recipe import Recipe
from calibration.export import export
from calibration.forms import forms
from calibration.nets.config import family
from calibration.train import measure
from calibration.train.checkpoint import Checkpoint
from calibration.train.deploy import deploy
from edge import package
from edge.backends import BACKENDS
from edge.cli import main
from edge.detector import Detector
from edge.errors import ModelError
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Detections, Size

NETS = (pytest.param("yolov6n-v2", marks=pytest.mark.slow), "yolov6n-v3", "yolov7-tiny")
CLASSES = (2, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 3, 30)))
SIZES = (Size(96, 96), Size(128, 128), Size(64, 160))  # trained at the first
TRAINED = Path(__file__).parents[1] / "models"
SCORE = 0.1
ALIKE = Alike(pixels=0.5)  # random networks make much of the last bits
RULES = {"conf": SCORE, "multi_label": True}
RULES |= {"iou": 1, "max_det": 10**6}  # what is suppressed hangs on the last bits


def labels(classes):
    return tuple(f"thing {i}" for i in range(classes))


def photo_of(size, seed=1):
    values = image(size, seed)[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray((values * 255).astype(np.uint8))


def detected(model, size, backend):
    """What a model finds in a photograph of that size."""
    rules = {"precision": "fp32", "threads": 1, **RULES}
    with Detector.load(model, backend=backend, imgsz=size, **rules) as detector:
        return detector(photo_of(size))


def differ(results, expected):
    """How the best of two lists part; the rest of a random network is too many to compare."""
    threshold = float(np.sort(expected.scores)[-50:][0])
    best = []
    for each in (results, expected):
        rows = each.scores > threshold - 2 * ALIKE.score
        best.append(Detections(each.boxes[rows], each.scores[rows], each.class_ids[rows]))
    return apart(*best, threshold, ALIKE)


def everywhere(path):
    """A model with a float artifact for every runtime."""
    photo = photo_of(SIZES[0])
    opened = open_model([path])
    return for_targets(opened, tuple(BACKENDS), precision="fp32", image=photo).package


def detected_in_training(net, size):
    """What the network itself finds, in torch."""
    form, about = measure.spec(net.config, 96, labels(net.config.classes))
    about = replace(about, input=size)
    with Detector(about, measure._Torch(net, form, about), **RULES) as detector:
        return detector(photo_of(size))


def deployed(net, folder) -> Path:
    """The package that a training of this network at 96 leaves, in floats of 16 bits, and ONNX."""
    many = labels(net.config.classes)
    deploy(Checkpoint(net.config, Recipe(input=96), many, net.state_dict()), folder, facts={})
    return folder / "best.edge"


@pytest.mark.parametrize("name", NETS)
def test_a_network_finds_the_same_at_every_size_in_every_runtime(name, tmp_path):
    net = trained(name, classes=2)
    halves = deployed(net, tmp_path)
    whole, same = everywhere(tmp_path / "best.onnx"), everywhere(halves)
    for size in SIZES:
        expected = detected_in_training(net, size)
        assert len(expected) > 5
        for backend in BACKENDS:
            if backend == "tflite" and size != SIZES[0]:
                with pytest.raises(ModelError, match=f"--imgsz {size} --targets tflite -o NAME"):
                    detected(whole, size, backend)
            else:
                results = detected(whole, size, backend)
                assert not differ(results, expected), (backend, size)
        expected = detected(same, size, "onnxruntime")
        assert not differ(detected(halves, size, "ncnn"), expected), size
    words = ["--imgsz", str(SIZES[2]), "--targets", "tflite", "-o", str(tmp_path / "wide.edge")]
    assert main(["convert", str(halves), *words]) == 0
    assert not differ(detected(tmp_path / "wide.edge", SIZES[2], "tflite"), expected)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("name", ["yolov6n-v2", "yolov7-tiny"])
def test_a_network_of_any_number_of_classes_finds_the_same_in_every_runtime(
    name, classes, tmp_path
):
    net = trained(name, classes=classes)
    size = SIZES[0]
    expected = detected_in_training(net, size)
    assert len(expected) > 5
    halves = deployed(net, tmp_path)
    whole = everywhere(tmp_path / "best.onnx")
    for backend in BACKENDS:
        assert not differ(detected(whole, size, backend), expected), backend
    assert not differ(detected(tmp_path / "best.onnx", size, "onnxruntime"), expected)
    assert package.read(halves).spec.labels == labels(classes)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("name", ["yolov6n-v1", "yolov6n-v2", "yolov7-tiny"])
def test_every_form_of_any_number_of_classes_and_size_is_recognized(name, classes, tmp_path):
    net = trained(name, classes=classes)
    for side in (64, 96) if classes != 2 else (64,):
        for form in forms(net.config):
            path = tmp_path / f"{form}-{side}.onnx"
            export(net, path, form=form, size=Size(side, side))
            spec = open_model([path], Overrides(family=family(net.config))).package.spec
            known = {
                "decoded": "rows", "grid": "rows", "heads": "heads", "raw": "heads",
                "end2end": "end2end_7", "end2end-ort": "end2end",
            }  # fmt: skip
            assert spec.form == known[form], (form, side)
            if not form.startswith("end2end"):
                assert len(spec.labels) == (classes if classes != 80 else 80)
            if form != "raw":  # which YOLOv5 and 7 share
                alone = open_model([path]).package.spec
                assert (alone.form, alone.strides) == (spec.form, spec.strides)
                assert alone.preprocessing == spec.preprocessing


@pytest.mark.parametrize("name", ["bccd-yolov6n", "bccd-yolov7-tiny"])
@pytest.mark.parametrize("size", [Size(640, 640), Size(224, 416)])
def test_the_packages_here_run_at_other_sizes(name, size, shared):
    from edge.io.sources.images import read_image

    model = package.read(TRAINED / f"{name}.edge")
    photo = read_image(str(shared / "data" / "bccd" / "JPEGImages" / "BloodImage_00007.jpg"))
    resized = replace(model, spec=model.spec.resized(size))
    rules = {"threads": 1, "conf": 0.25, "precision": "fp32"}
    written = for_targets(open_model([TRAINED / f"{name}.edge"]), ("onnxruntime", "mnn"),
                          precision="fp32", image=photo).package  # fmt: skip
    with Detector.load(model, imgsz=size, **rules) as detector:
        expected = detector(photo)
    assert len(expected) > 5
    with Detector.load(resized, **rules) as detector:
        assert not apart(detector(photo), expected, 0.25)
    for backend in ("onnxruntime", "mnn"):
        with Detector.load(written, backend=backend, imgsz=size, **rules) as detector:
            assert not apart(detector(photo), expected, 0.25), backend
