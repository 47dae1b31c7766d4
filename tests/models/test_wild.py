"""Real files of others: read as they are, and read the same, or refused, when nothing is named."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

import pytest
import wild_files

from edge.errors import UnsupportedModelError
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Size
from tests.bench import wild

# Family, form and input, where nothing is said beside the file; None where it must be.
READ = MappingProxyType(
    {
        "ncnn-yolox-nano-focus": ("yolox", "raw-rows", "640x640"),
        "ncnn-yolo-fastest-1.1": ("yolov3", "heads", "320x320"),
        "ncnn-nanodet-plus-pnnx": ("nanodet-plus", "planes-logits", "320x320"),
        "onnx-picodet-s-320": ("picodet", "split-rows", "320x320"),
        "ncnn-fastestdet": ("fastestdet", "first", "352x352"),
        "ncnn-yolo-fastestv2": ("yolo-fastestv2", "last", "352x352"),
        "ncnn-nanodet-m-numeric": ("nanodet", "split-rows", "320x320"),
        "ncnn-yolov7-tiny-random": ("yolov7-tiny", "heads", "640x640"),
        "ncnn-yolov8n-random": ("yolov8", "boxes-rows-logits", "640x640"),
        "ncnn-nanodet-m": ("nanodet", "split-rows", "320x320"),
        "ncnn-ghost-yolov5n": None,
        "onnx-yolox-nano-imagenet": ("yolox", "raw-rows", "416x416"),
    }
)
# Without names and without the size that an Input layer holds, these are at the family's usual one.
NAMELESS_SIZES = MappingProxyType({"ncnn-yolo-fastest-1.1": "416x416"})
NEEDS = {"onnx": ("onnx", "onnxruntime"), "ncnn": ("ncnn",)}


def opened(files, folder, overrides=None):
    for suffix, content in files.items():
        (folder / f"model.{suffix}").write_bytes(content)
    first = next(suffix for suffix in ("param", "onnx") if suffix in files)
    return open_model([folder / f"model.{first}"], overrides).package.spec


@pytest.mark.parametrize("names", ["as they are", "numbers"])
@pytest.mark.parametrize("model", READ)
def test_is_read_rightly_or_refused(shared, tmp_path, model, names):
    for package in NEEDS[model.partition("-")[0]]:
        pytest.importorskip(package)
    files = wild_files.files(shared, model)
    expected = READ[model]
    if names == "numbers":
        files = wild_files.nameless(files)
        if expected and model in NAMELESS_SIZES:
            expected = (*expected[:2], NAMELESS_SIZES[model])
    if expected is None:
        with pytest.raises(UnsupportedModelError, match="choose with --family"):
            opened(files, tmp_path)
        return
    spec = opened(files, tmp_path)
    assert (spec.family, spec.form, str(spec.input)) == expected
    assert len(spec.labels) == 80


@pytest.mark.parametrize(
    ("model", "family", "anchors"),
    [
        ("ncnn-yolov7-tiny-random", "yolov7-tiny", (12, 16)),
        ("ncnn-ghost-yolov5n", "yolov5", (10, 13)),
    ],
)
def test_heads_that_show_no_family_are_read_by_its_name(shared, tmp_path, model, family, anchors):
    spec = opened(wild_files.files(shared, model), tmp_path, Overrides(family, Size(320, 320)))
    assert (spec.family, spec.form, spec.strides) == (family, "heads", (8, 16, 32))
    assert spec.anchors[0][0] == anchors


def test_a_renamed_model_has_no_name_left(shared):
    names = b"cls_pred_stride"
    files = wild_files.files(shared, "ncnn-nanodet-m")
    assert names in files["param"]
    assert names not in wild_files.nameless(files)["param"]


def accuracies():
    """Names of the models whose accuracy is known, as the committed page lists them."""
    page = Path(__file__).parents[2] / "edge/docs/reference/wild-models.md"
    return re.findall(r"^\| ((?:ncnn|mnn|onnx|tflite)-[\w.-]+) \|", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize("model", accuracies())
def test_is_as_accurate_as_elsewhere(shared, model):
    runtime = {"onnx": "onnxruntime", "tflite": "ai_edge_litert", "mnn": "MNN", "ncnn": "ncnn"}
    pytest.importorskip(runtime[model.partition("-")[0]])
    row = wild.measure(shared, wild.models(shared)[model])
    assert row.measured, row.words
    assert row.difference <= wild.EACH


def test_the_page_lists_every_model_whose_accuracy_is_known(shared):
    assert accuracies() == list(wild.models(shared))
