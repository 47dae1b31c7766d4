"""Which anchors a model is read with, and from where they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from operator_cases import Builder

from edge import package
from edge.cli import main
from edge.errors import ModelError
from edge.models import yolov5, yolov7
from edge.overrides import Overrides
from edge.recognize import open_model
from edge.types import Size

OWN = tuple(tuple((w + 1.5, h + 2.0) for w, h in level) for level in yolov5.ANCHORS)
SIDE = 64


def raw(folder, metadata=None, classes=2):
    """Raw heads, one map of each level."""
    b = Builder()
    outputs = [
        b.conv("images", 3, 3 * (5 + classes), stride, strides=(stride, stride), name=f"level{i}")
        for i, stride in enumerate((8, 16, 32))
    ]
    path = folder / "raw.onnx"
    path.write_bytes(b.model(outputs, (1, 3, SIDE, SIDE), metadata=metadata))
    return path


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("yolov7-tiny", yolov7.ANCHORS),
        ("yolov7", yolov7.ANCHORS),
        ("yolov5", yolov5.ANCHORS),
    ],
)
def test_raw_heads_have_those_of_the_released_weights(family, expected, tmp_path, capsys):
    path = raw(tmp_path)
    opened = open_model([path], Overrides(family=family)).package
    assert opened.spec.anchors == expected
    assert opened.sources["anchors"] == "family"
    assert main(["inspect", str(path), "--family", family]) == 0
    text = capsys.readouterr().out
    assert "(usual for the family)" in text
    assert f"the usual ones of {family}, the file has none" in text


@pytest.mark.parametrize(
    "written", [repr(OWN), json.dumps([[x for pair in level for x in pair] for level in OWN])]
)
def test_those_that_a_file_names_count(written, tmp_path, capsys):
    path = raw(tmp_path, {"anchors": written, "family": "yolov7-tiny"})
    opened = open_model([path]).package
    assert (opened.spec.family, opened.spec.anchors) == ("yolov7-tiny", OWN)
    assert opened.sources["anchors"] == "file"
    package.write(opened, tmp_path / "a.edge")
    assert package.read(tmp_path / "a.edge").spec.anchors == OWN
    assert main(["inspect", str(tmp_path / "a.edge")]) == 0
    assert "anchors    11.5,15 17.5,32 34.5,25, 31.5" in capsys.readouterr().out


def test_those_that_do_not_fit_the_outputs_are_refused(tmp_path):
    path = raw(tmp_path, {"anchors": repr(OWN[:2])})
    with pytest.raises(ModelError, match="hold 6 anchors in 2 levels, its outputs want 9 in 3"):
        open_model([path], Overrides(family="yolov7"))


@pytest.mark.parametrize("written", ["7", "[[1, 2, 3]]", "[[0, 1]]", "[['a', 'b']]", "[]"])
def test_what_are_no_anchors_is_passed_over(written, tmp_path):
    path = raw(tmp_path, {"anchors": written})
    opened = open_model([path], Overrides(family="yolov5")).package
    assert opened.spec.anchors == yolov5.ANCHORS


def test_a_network_trained_here_keeps_its_own(tmp_path):
    pytest.importorskip("torch")
    from dataclasses import replace

    from networks import trained

    from calibration.canonical import for_targets
    from calibration.checkpoints.training_recipe import Recipe
    from calibration.export import export
    from calibration.nets.network import load
    from calibration.train.checkpoint import Checkpoint
    from calibration.train.deploy import deploy

    net = trained("yolov7-tiny")
    config = replace(net.config, anchors=OWN)
    state = {name: values.numpy().copy() for name, values in net.state_dict().items()}
    pixels = np.array(OWN, np.float32)
    state["model.77.anchor_grid"] = pixels.reshape(3, 1, 3, 1, 1, 2)
    state["model.77.anchors"] = pixels / np.array([8, 16, 32], np.float32).reshape(3, 1, 1)
    own = load(config, state)
    labels = tuple(f"thing {i}" for i in range(80))
    deploy(Checkpoint(config, Recipe(input=SIDE), labels, own.state_dict()), tmp_path, facts={})
    for name, source in (("best.edge", "training"), ("best.onnx", "file")):
        opened = open_model([tmp_path / name]).package
        assert (opened.spec.family, opened.spec.labels) == ("yolov7-tiny", labels)
        assert opened.spec.anchors == OWN
        assert opened.sources["anchors"] == source

    path = tmp_path / "grid.onnx"
    export(own, path, form="grid", size=Size(SIDE, SIDE))
    whole = open_model([path])
    assert whole.package.spec.anchors == ()  # it is read without any
    cut = for_targets(whole, ("ncnn",)).package
    assert cut.spec.form == "heads"
    np.testing.assert_allclose(cut.spec.anchors, OWN)
    assert cut.sources["anchors"] == "file"
