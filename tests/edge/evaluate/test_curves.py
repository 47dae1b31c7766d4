from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from coco_oracle import hard_set

from edge.evaluate import curves, evaluate

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def evaluation():
    truth, result, classes = hard_set(5)
    return evaluate(truth, result, classes=classes)


def present(evaluation):
    return [
        k for k in range(evaluation.precision.shape[2]) if evaluation.precision[0, 0, k, 0] >= 0
    ]


def test_the_table_holds_the_curves_of_the_classes_that_are_there(evaluation):
    labels = [f"class, {k}" for k in range(evaluation.precision.shape[2])]
    rows = list(csv.DictReader(io.StringIO(curves.table(evaluation, labels))))
    assert len(rows) == len(present(evaluation)) * 10 * 101
    assert {row["class"] for row in rows} == {labels[k] for k in present(evaluation)}
    row = rows[3 * 101 + 20]
    k = present(evaluation)[0]
    assert (row["iou"], row["recall"]) == ("0.65", "0.20")
    assert float(row["precision"]) == pytest.approx(evaluation.precision[3, 20, k, 0], rel=1e-5)
    assert float(row["score"]) == pytest.approx(evaluation.scores[3, 20, k, 0], rel=1e-5)


def test_the_image_has_a_line_per_class_and_three_for_all(evaluation):
    lines = list(ET.fromstring(curves.image(evaluation)).iter(f"{SVG}polyline"))
    assert len(lines) == len(present(evaluation)) + 3
    assert all(len(line.get("points").split()) == 101 for line in lines)


def test_without_objects_there_is_an_empty_image_and_table():
    truth, result, classes = hard_set(5)
    nothing = evaluate([each[:0] for each in truth], result, classes=classes)
    assert np.all(nothing.precision == -1)
    assert not list(ET.fromstring(curves.image(nothing)).iter(f"{SVG}polyline"))
    assert curves.table(nothing, ["a"] * classes) == "class,iou,recall,precision,score\n"
