"""A network, the kernels, the command line and a camera find the same on ARM as here."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boards
import cv2
import numpy as np
import pytest

from edge.backends import BACKENDS
from edge.package import write

HERE = Path(__file__).parent
BCCD = HERE.parent / "models" / "bccd-yolov6n.edge"

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def model(shared, tmp_path_factory) -> Path:
    folder = shared / "models" / "yolov6lite"
    made = tmp_path_factory.mktemp("arm") / "s.edge"
    files = [folder / "yolov6-lite-s.param", folder / "yolov6-lite-s.bin"]
    subprocess.run([sys.executable, "-m", "edge", "convert", *files, "-o", made], check=True)
    return made


def images(shared: Path) -> list[Path]:
    return sorted((shared / "data" / "coco" / "val" / "images").glob("*.jpg"))


def arguments(model: Path, image: Path, precision: str) -> list[str | Path]:
    chosen = ["--precision", precision, "--conf", "0.2", "--threads", "1", "--json"]
    return ["-m", "edge", "run", "--model", model, "--source", image, *chosen]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    """A model for every runtime, and small pictures: each of them is emulated in seconds."""
    made = tmp_path_factory.mktemp("arm") / "cells.edge"
    package = importlib.import_module("every_backend").converted(BCCD, side=160)
    write(package, made)
    return made


def words(model: Path, backend: str, precision: str) -> list[str | Path]:
    """What sees cells in the parts on a conveyor: enough to compare runtimes by."""
    chosen = ["--backend", backend, "--precision", precision, "--threads", "1", "--json"]
    source = ["--source", "test:conveyor", "--max-frames", "1"]
    return ["-m", "edge", "run", "--model", model, *source, *chosen]


def detections(printed: str) -> Found:
    (line,) = printed.splitlines()
    return json.loads(line)["detections"]


def here(model: Path, image: Path) -> Found:
    command = [sys.executable, *arguments(model, image, "fp32")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return detections(done.stdout)


def overlap(a: list[float], b: list[float]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    area_a, area_b = ((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (a, b))
    return common / (area_a + area_b - common)


def agree(one: Found, other: Found, score: float, iou: float) -> bool:
    """Whether every sure detection of either has its like in the other."""

    def covered(sure: Found, by: Found) -> bool:
        return all(
            any(
                a["class_id"] == b["class_id"]
                and abs(a["confidence"] - b["confidence"]) < score
                and overlap(a["box"], b["box"]) > iou
                for b in by
            )
            for a in sure
            if a["confidence"] > 0.25
        )

    return covered(one, other) and covered(other, one)


def test_float_detections_are_those_of_this_machine(cpu, model, shared):
    image = images(shared)[0]
    expected = here(model, image)
    assert sum(d["confidence"] > 0.25 for d in expected) >= 3
    assert agree(
        detections(cpu.python(*arguments(model, image, "fp32"))), expected, score=0.002, iou=0.99
    )


def test_half_precision_detections_are_close_to_float(pi5, model, shared):
    image = images(shared)[0]
    found = detections(pi5.python(*arguments(model, image, "fp16")))
    assert agree(found, here(model, image), score=0.03, iou=0.9)  # seen: .021, .93


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_runtime_finds_on_arm_what_it_finds_here(cpu, cells, backend):
    command = words(cells, backend, "fp32")
    expected = subprocess.run([sys.executable, *command], capture_output=True, text=True).stdout
    assert sum(d["confidence"] > 0.25 for d in detections(expected)) >= 2
    found = detections(cpu.python(*command))
    assert agree(found, detections(expected), score=0.002, iou=0.99)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["ncnn", "mnn"])
def test_runtimes_that_compute_in_half_precision_are_close(pi5, cells, backend, tmp_path):
    command = words(cells, backend, "fp32")
    printed = subprocess.run([sys.executable, *command], capture_output=True, text=True).stdout
    expected = detections(printed)
    command = words(cells, backend, "fp16")
    found = detections(pi5.python(*command, board=boards.pi5(tmp_path)))
    assert agree(found, expected, score=0.03, iou=0.9)
    assert not agree(found, expected, score=1e-5, iou=0.9)  # it was another arithmetic


def test_the_tensorflow_of_old_systems_finds_the_same(pi4, cells):
    command = words(cells, "tflite", "fp32")
    expected = subprocess.run([sys.executable, *command], capture_output=True, text=True).stdout
    assert agree(detections(pi4.python(*command)), detections(expected), score=0.002, iou=0.99)


def test_importing_the_package_is_light(arm):
    code = "import sys, edge; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in arm.python("-c", code).split()}
    assert "edge" in loaded
    assert not loaded & {
        "numpy",
        "cv2",
        "ncnn",
        "MNN",
        "ai_edge_litert",
        "tflite_runtime",
        "onnxruntime",
    }


def test_detections_of_another_image_do_not_agree(model, shared):
    first, second = images(shared)[:2]
    assert not agree(here(model, first), here(model, second), score=0.03, iou=0.9)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute and a half, on a machine with nothing else to do
def test_a_camera_shows_what_this_machine_sees_and_comes_back_from_every_trouble(
    arm_folder, model, shared, tmp_path
):
    photograph = np.zeros((480, 640, 3), np.uint8)
    image = cv2.imread(str(images(shared)[0]))
    photograph[: image.shape[0], : image.shape[1]] = image
    cv2.imwrite(str(tmp_path / "photograph.png"), photograph)
    given = tmp_path / "given"
    given.mkdir()
    photograph.tofile(given / "photograph.bgr")
    (given / "model.edge").symlink_to(model)
    (given / "recovery.py").symlink_to(HERE / "recovery.py")

    command = ["bash", HERE / "camera", HERE / "photographed.sh", given]
    chosen = os.environ | {"EDGE_ARM": str(arm_folder)}
    done = subprocess.run(command, env=chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    exact, seen, status, troubles, last = done.stdout.splitlines()
    assert (status, last) == ("status 0", "status 0")
    assert json.loads(exact) == [True] * 5
    expected = here(model, tmp_path / "photograph.png")
    assert agree(json.loads(seen)["detections"], expected, score=0.002, iou=0.99)

    found = json.loads(troubles)
    assert [name for name, _ in found["events"]] == [
        *("connecting", "connected"),
        *("lost", "waiting", "connecting", "connected"),  # unplugged
        *("lost", "waiting", "connecting", "connected"),  # a streaming error
    ]
    assert found["events"][2][1] == "/dev/video0: No such device; it is unplugged"
    assert found["frames"] == list(range(70))
    assert found["forward"]
    assert found["dark"] == 0
    kinds = {code: form for code, (form, _, _) in found["formats"].items()}
    same = {"YUYV": "YUYV", "NV12": "NV12"}
    assert kinds == {**same, "YU12": "I420", "BGR3": "BGR", "RGB3": "RGB", "GREY": "GRAY"}
    assert all(mean > 30 for _, _, mean in found["formats"].values())
