from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest

from calibration.train import history
from edge.errors import CalibrationError

ROWS = [
    {"epoch": 1, "class": 2.0, "box": 1.0, "seconds": 3.0, "cpu_seconds": 2.0},
    {"epoch": 2, "class": 1.0, "box": 0.5, "AP": 0.25, "AP50": 0.5, "seconds": 3.0},
]


def test_the_table_leaves_empty_what_an_epoch_does_not_have():
    rows = list(csv.DictReader(io.StringIO(history.table(ROWS))))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [row["AP"] for row in rows] == ["", "0.25"]
    assert [float(row["class"]) for row in rows] == [2.0, 1.0]


def test_rows_survive_their_text():
    assert history.loads(history.dumps(ROWS)) == ROWS


def test_the_curve_draws_each_loss_as_a_share_of_its_highest():
    root = ET.fromstring(history.curve(ROWS))
    name = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in root.iter(f"{name}text")]
    assert {"AP", "AP50", "class loss / 2", "box loss / 1"} <= set(words)
    lines = [line.attrib["points"].split() for line in root.iter(f"{name}polyline")]
    assert len(lines) == 4
    (first, second) = lines[2]  # the class loss, halved
    assert first.split(",")[1] == "24.0"
    assert second.split(",")[1] == "138.0"


def test_a_training_of_no_epochs_has_a_curve_too():
    assert "svg" in history.curve([])
    assert history.table([]) == "\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(CalibrationError, match=r"log\.csv"):
        history.write(ROWS, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]
