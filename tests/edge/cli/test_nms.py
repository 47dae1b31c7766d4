"""`--nms` and `--agnostic-nms`, from the command line to what is printed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from edge import Size, package
from edge.models.base import ModelSpec
from edge.package import Artifact, Package

cv2 = pytest.importorskip("cv2")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROWS = [  # center x, center y, width, height, objectness, cat, dog
    [30, 32, 20, 20, 1, 0.9, 0],
    [30, 34, 20, 20, 1, 0, 0.8],  # IoU with the first: 9 / 11
    [34, 32, 20, 20, 1, 0.6, 0],  # with the first 2 / 3
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A package whose network finds these boxes in every image."""
    rows = onnx.numpy_helper.from_array(np.array([ROWS], np.float32), "rows")
    zero = onnx.numpy_helper.from_array(np.float32(0), "zero")
    node = onnx.helper.make_node
    nodes = [
        node("ReduceMean", ["images"], ["mean"], keepdims=0),
        node("Mul", ["mean", "zero"], ["nothing"]),
        node("Add", ["rows", "nothing"], ["output"]),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "constant",
        [info("images", 1, [1, 3, 64, 64])],
        [info("output", 1, [1, 3, 7])],
        [rows, zero],
    )
    content = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    )
    spec = ModelSpec("yolov6", "rows", Size(64, 64), ("cat", "dog"))
    artifact = Artifact("onnxruntime", "fp32", {"onnx": content.SerializeToString()})
    path = tmp_path_factory.mktemp("model") / "constant.edge"
    package.write(Package("constant", spec, (artifact,)), path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A YOLO folder of one image with a cat and a dog."""
    root = tmp_path_factory.mktemp("data")
    for name in ("images", "labels"):
        (root / name).mkdir()
    cv2.imwrite(str(root / "images" / "a.png"), np.zeros((64, 64, 3), np.uint8))
    lines = [
        " ".join(map(str, [label, *np.array(row[:4]) / 64])) for label, row in enumerate(ROWS[:2])
    ]
    (root / "labels" / "a.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    return root


def edge(*words):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, words)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def lines_of(model, data, *options):
    image = data / "images" / "a.png"
    printed = edge("run", "--model", model, "--source", image, "--json", *options)
    return [
        (each["name"], pytest.approx(each["confidence"], abs=1e-4), each["box"])
        for each in json.loads(printed)["detections"]
    ]


FIRST, SECOND, THIRD = [20, 22, 40, 42], [20, 24, 40, 44], [24, 22, 44, 42]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [("cat", 0.9, FIRST), ("dog", 0.8, SECOND)]),
        (("--agnostic-nms",), [("cat", 0.9, FIRST)]),
        (("--nms", "soft", "--conf", "0.1"),
         [("cat", 0.9, FIRST), ("dog", 0.8, SECOND), ("cat", 0.6 / 3, THIRD)]),
        (("--nms", "soft"), [("cat", 0.9, FIRST), ("dog", 0.8, SECOND)]),
        (("--nms", "soft", "--agnostic-nms", "--conf", "0.05"),
         [("cat", 0.9, FIRST), ("cat", 0.6 / 3, THIRD), ("dog", 0.8 * 2 / 11 * 7 / 16, SECOND)]),
        (("--nms", "merge"),
         [("dog", 0.8, SECOND), ("cat", 0.75, [21.6, 22, 41.6, 42])]),
        (("--nms", "merge", "--agnostic-nms"),
         [("cat", 2.3 / 3, [24 * 0.6 / 2.3 + 20 * 1.7 / 2.3, 22 + 2 * 0.8 / 2.3,
                            44 * 0.6 / 2.3 + 40 * 1.7 / 2.3, 42 + 2 * 0.8 / 2.3])]),
    ],
)  # fmt: skip
def test_what_becomes_of_boxes_that_overlap(model, data, options, expected):
    assert [
        (label, score, pytest.approx(box, abs=0.1)) for label, score, box in expected
    ] == lines_of(model, data, *options)


def test_evaluation_takes_the_same_options_and_says_so(model, data):
    report = json.loads(edge("eval", "--model", model, "--data", data, "--json"))
    assert (report["nms"], report["agnostic_nms"], report["detections"]) == ("greedy", False, 2)
    options = ("--nms", "merge", "--agnostic-nms", "--iou", "0.5", "--json")
    report = json.loads(edge("eval", "--model", model, "--data", data, *options))
    assert (report["nms"], report["agnostic_nms"], report["detections"]) == ("merge", True, 1)


def test_another_word_is_refused(model):
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--model", model, "--nms", "matrix"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "invalid choice: 'matrix'" in done.stderr
