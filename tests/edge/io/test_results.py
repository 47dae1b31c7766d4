import json

import numpy as np
import pytest

from edge.errors import SinkError
from edge.io.results import write_results
from edge.types import Detections


def detections_of(boxes, scores, class_ids):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(class_ids, np.int32),
    )


def test_writes_corners_as_left_top_width_height(tmp_path):
    file = tmp_path / "results.json"
    rows = [(7, detections_of([[1, 2, 11.5, 6]], [0.5], [1])), (9, detections_of([], [], []))]
    write_results(file, rows, {0: 1, 1: 90})
    assert json.loads(file.read_text()) == [
        {"image_id": 7, "category_id": 90, "bbox": [1, 2, 10.5, 4], "score": 0.5}
    ]
    assert list(tmp_path.iterdir()) == [file]


def test_keeps_every_bit(tmp_path):
    one = detections_of([[0.1, 0.2, 33.3, 44.4]], [0.123456789], [0])
    write_results(tmp_path / "r.json", [(1, one)], {0: 0})
    (row,) = json.loads((tmp_path / "r.json").read_text())
    x, y, width, height = row["bbox"]
    assert np.float32([x, y, x + width, y + height]).tolist() == one.boxes[0].tolist()
    assert np.float32(row["score"]) == one.scores[0]


def test_leaves_out_classes_without_a_category(tmp_path):
    rows = [(1, detections_of([[0, 0, 1, 1], [0, 0, 2, 2]], [0.9, 0.8], [0, 1]))]
    write_results(tmp_path / "r.json", rows, {1: 5})
    assert [row["category_id"] for row in json.loads((tmp_path / "r.json").read_text())] == [5]


def test_leaves_nothing_where_it_cannot_write(tmp_path):
    with pytest.raises(SinkError, match="No such file or directory"):
        write_results(tmp_path / "missing" / "r.json", [], {})
    assert list(tmp_path.iterdir()) == []
