from __future__ import annotations

import pytest

from calibration.workflow import calibrate
from calibration.workflow.overrides import overrides
from edge.overrides import Overrides
from edge.types import Size

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_keywords_take_precedence_over_what_else_is_said():
    reading = Overrides(family="yolox", color="BGR", license="MIT")
    given = overrides("yolov6", None, "64x96", None, reading)
    assert given == Overrides(family="yolov6", input=Size(64, 96), color="BGR", license="MIT")
    assert overrides(None, None, None, None) == Overrides()


def test_what_is_said_of_a_file_is_what_is_calibrated(tmp_path):
    from small_detector import detector

    file = tmp_path / "small.onnx"
    file.write_bytes(detector())
    reading = Overrides(color="BGR", mean=(1.0, 2.0, 3.0), letterbox="stretch")
    spec = calibrate._open(file, overrides(None, None, None, None, reading), None).package.spec
    pre = spec.preprocessing
    assert (pre.color, pre.mean, pre.placement) == ("BGR", (1.0, 2.0, 3.0), "stretch")
