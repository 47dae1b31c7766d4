"""The same float model through every runtime finds the same, in every image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ncnn_files import SIZES
from same_boxes import apart

from edge.backends import BACKENDS
from edge.detector import Detector
from edge.io.sources.images import read_image
from edge.package import Package
from edge.recognize import open_model
from edge.types import Detections

pytest.importorskip("onnx")
pytest.importorskip("cv2")
THRESHOLD = 0.25
TRAINED = Path(__file__).parents[1] / "models"
OTHERS = tuple(name for name in BACKENDS if name != "onnxruntime")


def disagreements(package: Package, photos: list[Path]) -> tuple[dict[str, list[str]], int]:
    """By runtime and image, how it parts from ONNX Runtime; and how many boxes there were."""
    import cv2

    images = {path.name: cv2.imread(str(path)) for path in photos}
    results = {}
    for backend in BACKENDS:
        rules = {"backend": backend, "precision": "fp32", "threads": 1}
        with Detector.load(package, **rules, conf=THRESHOLD) as detector:
            results[backend] = {name: detector(image) for name, image in images.items()}
    expected = results["onnxruntime"]
    wrong = {
        f"{backend} {name}": parted
        for backend in OTHERS
        for name in images
        if (parted := apart(results[backend][name], expected[name], THRESHOLD))
    }
    return wrong, sum(map(len, expected.values()))


def everywhere(model: Path, photo: Path) -> Package:
    """A model with a float artifact for every runtime, as `edge convert --targets` makes it."""
    from calibration.canonical import for_targets

    image, names = read_image(str(photo)), tuple(BACKENDS)
    return for_targets(open_model([model]), names, precision="fp32", image=image).package


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_yolov6lite_of_ncnn_finds_the_same_in_photographs(shared, size):
    model = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}.param"
    images = sorted((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))
    assert len(images) == 64
    wrong, boxes = disagreements(everywhere(model, images[0]), images)
    assert boxes > 400
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize(("model", "count"), [("bccd-yolov6n", 24), ("bccd-yolov7-tiny", 12)])
def test_networks_trained_on_cells_find_the_same_cells(model, count, shared):
    data = shared / "data" / "bccd"
    names = (data / "ImageSets" / "Main" / "test.txt").read_text().split()[:count]
    images = [data / "JPEGImages" / f"{name}.jpg" for name in names]
    wrong, boxes = disagreements(everywhere(TRAINED / f"{model}.edge", images[0]), images)
    assert boxes > 10 * count
    assert not wrong


def test_what_differs_is_told_from_what_does_not():
    one = Detections(
        np.array([[0, 0, 100, 100], [50, 50, 60, 60]], np.float32),
        np.array([0.9, THRESHOLD + 0.004], np.float32),
        np.array([3, 4], np.int32),
    )
    near = Detections(one.boxes[:1] + np.float32(0.2), one.scores[:1] - 0.004, one.class_ids[:1])
    assert not apart(one, near, THRESHOLD)  # the second lies at the threshold
    for box, score, label in ((1.0, 0.0, 0), (0.0, 0.006, 0), (0.0, 0.0, 1)):
        other = Detections(one.boxes[:1] + np.float32(box), one.scores[:1] - np.float32(score),
                           one.class_ids[:1] + np.int32(label))  # fmt: skip
        assert [message[:7] for message in apart(one, other, THRESHOLD)] == ["too muc", "missing"]
