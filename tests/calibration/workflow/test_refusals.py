"""Calibrations that destroy a detector must be refused: the gate's known-bad cases."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")

from edge.cli import main


@pytest.fixture(scope="module")
def photographs(shared, tmp_path_factory) -> list[str]:
    """Three to calibrate on, six others to judge by; smaller than usual, to be quick."""
    folder = tmp_path_factory.mktemp("photographs")
    files = sorted((shared / "data" / "coco" / "calib" / "images").iterdir())[:9]
    for name, chosen in (("data", files[:3]), ("val", files[3:])):
        (folder / name).mkdir()
        for file in chosen:
            shutil.copy(file, folder / name)
    words = ["--data", str(folder / "data"), "--val", str(folder / "val")]
    return [*words, "--imgsz", "256", "--threads", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["min-max", "entropy"])
def test_the_usual_ways_are_refused_where_depthwise_layers_are_int8(
    recipe, photographs, shared, tmp_path, capsys
):
    model = shared / "models" / "yolov6lite" / "yolov6-lite-l.param"
    out = tmp_path / "x.edge"
    assert main(["calibrate", str(model), *photographs, "-o", str(out), "--recipe", recipe]) == 1
    text = capsys.readouterr().err
    assert "ncnn int8 is refused: AP against float is" in text
    assert "layers that cost most in ncnn, the objective with each alone:" in text
    assert "depthwise layers in float" in text
    assert "x.edge is not written" in text
    assert list(tmp_path.iterdir()) == []
