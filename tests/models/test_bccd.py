"""The weights that calibration and the runtimes are tested with find what they were trained for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import package
from edge.cli import main

MODEL = Path(__file__).parent / "bccd-yolov6n.edge"


def test_the_package_is_whole():
    made = package.read(MODEL)
    assert made.spec.labels == ("Platelets", "RBC", "WBC")
    assert made.provenance["training"]["pictures"] == 205


@pytest.mark.slow
def test_it_finds_the_cells_of_pictures_that_it_never_saw(shared, capsys):
    pytest.importorskip("cv2")
    words = ["--data", str(shared / "data" / "bccd"), "--split", "test", "--json"]
    assert main(["eval", "--model", str(MODEL), "--threads", "1", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 72
    assert report["AP50"] == pytest.approx(0.857, abs=0.01)
    assert report["AP"] == pytest.approx(0.549, abs=0.01)
