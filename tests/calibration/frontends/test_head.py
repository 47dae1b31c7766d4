"""Exports cut at their last convolutions find what they found as a whole."""

import head_exports
import numpy as np
import pytest
from head_exports import CLASSES, EXPORTS
from same_boxes import apart

from calibration.canonical import for_targets
from edge.backends import BACKENDS
from edge.detector import Detector
from edge.overrides import Overrides
from edge.recognize import open_model

pytest.importorskip("onnxruntime")
LABELS = tuple("abcdefgh"[:CLASSES])
RULES = {"max_det": 1000, "precision": "fp32", "threads": 1}
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def opened(tmp_path, family, content):
    path = tmp_path / f"{family}.onnx"
    path.write_bytes(content)
    return open_model([path], Overrides(family=family, labels=LABELS))


def head_of(package, backend, overlap=1.0):
    rules = RULES | {"conf": 0.25, "iou": overlap, "multi_label": True}
    with Detector.load(package, backend=backend, **rules) as detector:
        return detector(IMAGE)


@pytest.mark.parametrize(("family", "form"), EXPORTS)
def test_a_family_is_cut_and_finds_the_same_in_every_runtime(family, form, tmp_path):
    whole = opened(tmp_path, family, EXPORTS[family, form]())
    written = for_targets(whole, tuple(BACKENDS), precision="fp32").package
    assert written.spec.form == form != whole.package.spec.form
    assert all(name.rstrip("0123456789") in ("classes", "boxes", "objects", "both")
               for name in written.spec.output_names)  # fmt: skip
    expected = head_of(whole.package, "onnxruntime")
    assert len(expected) > 10
    for backend in BACKENDS:
        assert not apart(head_of(written, backend), expected, 0.25), backend


def test_points_elsewhere_than_the_family_has_them_leave_the_network_whole(tmp_path):
    whole = opened(tmp_path, "ppyoloe+", head_exports.ppyoloe(offset=0.25))
    written = for_targets(whole, ("tflite",))
    assert written.package.spec == whole.package.spec
    assert "left whole: no cut at the last convolutions gave its boxes" in written.evidence


def test_a_network_that_suppresses_is_cut_to_one_that_is_suppressed_by_us(tmp_path):
    whole = opened(tmp_path, "yolov10", head_exports.suppressed())
    written = for_targets(whole, tuple(BACKENDS), precision="fp32").package
    assert (written.spec.family, written.spec.form) == ("yolov8", "split")
    expected = head_of(whole.package, "onnxruntime")
    for backend in BACKENDS:
        assert not apart(head_of(written, backend, head_exports.OVERLAP), expected, 0.25), backend
