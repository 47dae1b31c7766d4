"""What the official export scripts write, recognized and run as users bring it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from networks import image, write_onnx

from edge import Detector
from edge.errors import UnsupportedModelError
from edge.models.yolov5 import ANCHORS
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Size

pytest.importorskip("onnxruntime")

SIZE = Size(192, 256)
EXPORTS = {
    ("yolov6n-v1", "decoded"): ("yolov6", "rows"),
    ("yolov6n-v2", "decoded"): ("yolov6", "rows"),
    ("yolov6n-v3", "decoded"): ("yolov6", "rows"),
    ("yolov6n-v3", "heads"): ("yolov6", "heads"),
    ("yolov6n-v3", "end2end"): ("yolov6", "end2end_7"),
    ("yolov6n-v3", "end2end-ort"): ("yolov6", "end2end"),
    ("yolov7-tiny", "grid"): ("yolov7", "rows"),
    ("yolov7-tiny", "end2end"): ("yolov7", "end2end_7"),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return cache(lambda name, form: write_onnx(folder, name, form, SIZE))


def photo():
    pixels = image(Size(240, 320), seed=3)[0].numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(pixels * 255).astype(np.uint8)


@pytest.mark.parametrize("name", EXPORTS, ids=" ".join)
def test_every_form_is_recognized_and_finds_something(exported, name):
    family, form = EXPORTS[name]
    opened = open_model([exported(*name)])
    spec = opened.package.spec
    assert (spec.family, spec.form, spec.input) == (family, form, SIZE)
    assert len(spec.labels) == 80
    with Detector.load(opened.package, threads=1) as detector:
        detections = detector(photo())
    assert len(detections) > 3
    assert (np.diff(detections.scores) <= 0).all()


def test_raw_maps_of_yolov7_need_to_be_told_whose_they_are(exported):
    path = exported("yolov7-tiny", "raw")
    with pytest.raises(UnsupportedModelError, match=r"any of yolov7, yolov7-tiny.*--family"):
        open_model([path])
    spec = open_model([path], Overrides(family="yolov7-tiny")).package.spec
    assert (spec.form, spec.anchors[0][0]) == ("heads", (12, 16))


@pytest.mark.parametrize(
    ("name", "raw", "decoded", "family"),
    [("yolov6n-v3", "heads", "decoded", None), ("yolov7-tiny", "raw", "grid", "yolov7-tiny")],
)
def test_raw_and_decoded_forms_find_the_same(exported, name, raw, decoded, family):
    # Raw maps do not tell the anchors: a training of the published configuration has YOLOv5's.
    own = tuple(side for level in ANCHORS for anchor in level for side in anchor)
    given = Overrides(family=family, anchors=own if family else None)
    first, second = (
        Detector.load(open_model([exported(name, form)], what).package, threads=1)
        for form, what in ((raw, given), (decoded, None))
    )
    with first, second:
        a, b = first(photo()), second(photo())
    assert len(a) > 3
    np.testing.assert_array_equal(a.class_ids, b.class_ids)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)
