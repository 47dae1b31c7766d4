"""The weights that calibration and the runtimes are tested with find what they were trained for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import package
from edge.cli import main

MODELS = Path(__file__).parent
SCORES = {"bccd-yolov6n": (0.549, 0.857), "bccd-yolov7-tiny": (0.570, 0.888)}  # AP, AP50


@pytest.mark.parametrize("name", SCORES)
def test_the_package_is_whole(name):
    made = package.read(MODELS / f"{name}.edge")
    assert made.spec.labels == ("Platelets", "RBC", "WBC")
    assert made.provenance["training"]["pictures"] == 205


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_it_finds_the_cells_of_pictures_that_it_never_saw(name, shared, capsys):
    pytest.importorskip("cv2")
    words = ["--data", str(shared / "data" / "bccd"), "--split", "test", "--json"]
    model = str(MODELS / f"{name}.edge")
    assert main(["eval", "--model", model, "--threads", "1", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 72
    assert (report["AP"], report["AP50"]) == pytest.approx(SCORES[name], abs=0.01)
