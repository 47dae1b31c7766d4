import re
from dataclasses import replace

import numpy as np
import operator_cases
import pytest
import small_detector
from plans import plan_of

from calibration.check import int8_file
from calibration.check.int8_file import int8_layers
from calibration.emit import EMITTERS, int8_artifact
from calibration.frontends.head import cuts
from calibration.frontends.onnx import read
from calibration.frontends.simplify import simplify
from edge.conveyor import Conveyor
from edge.errors import ModelError
from edge.recognize import open_model
from edge.types import Size

SIZE = Size(64, 64)
FIRST, MIDDLE = "node_stem", "node_down16"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A float network cut at its heads, and how to read it."""
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    path.write_bytes(small_detector.detector())
    opened = open_model([path]).package
    graph = simplify(read(path.read_bytes()).graph)
    cut = next(iter(cuts(graph, opened.spec)))
    return cut.graph, cut.spec


@pytest.fixture(scope="module")
def photos():
    scenes = Conveyor(0, SIZE)
    return [np.array(scenes.render(index)[0]) for index in range(4)]


def inputs(photos):
    return [p[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255 for p in photos]


@pytest.mark.parametrize("target", EMITTERS)
def test_a_right_file_is_as_far_from_float_as_its_plan(target, whole, photos):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    result = int8_file.check(int8_artifact(graph, plan), graph, plan, spec, photos)
    assert result.layers == 9
    assert result.measured == pytest.approx(result.simulated, abs=1)
    assert min(result.measured) > 25
    assert result.agreement.expected > 0
    assert result.agreement.ap50 > 0.97


@pytest.mark.parametrize("target", EMITTERS)
def test_weights_on_other_codes_than_the_nearest_are_written_as_the_plan_has_them(
    target, whole, photos
):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    random = np.random.default_rng(0)
    layers = {
        name: replace(layer, weight=(
            layer.weight.astype(int) + random.integers(-4, 5, layer.weight.shape)
        ).clip(-127, 127).astype(np.int8))
        for name, layer in plan.layers.items()
    }  # fmt: skip
    moved = replace(plan, layers=layers)
    nearest = int8_file.check(int8_artifact(graph, plan), graph, plan, spec, photos)
    result = int8_file.check(int8_artifact(graph, moved), graph, moved, spec, photos)
    assert result.measured == pytest.approx(result.simulated, abs=1)
    for ratio, by_nearest in zip(result.measured, nearest.measured, strict=True):
        assert ratio < by_nearest - 6  # the nearest codes are not what was computed with


def spoilt(plan):
    """The plan with one weight scale that is wrong."""
    layer = plan.layers[MIDDLE]
    other = replace(layer, weight_scales=layer.weight_scales * np.float32(1.2))
    return replace(plan, layers={**plan.layers, MIDDLE: other})


def written_wrong(graph, plan):
    """A file by an emitter that gets that scale wrong, whatever the rest of the graph is."""
    return int8_artifact(graph, spoilt(plan) if MIDDLE in plan.layers else plan)


@pytest.mark.parametrize("target", EMITTERS)
def test_a_wrong_scale_is_refused_and_its_layer_named(target, whole, photos, monkeypatch):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    monkeypatch.setattr(int8_file, "int8_artifact", written_wrong)
    broken = written_wrong(graph, plan)
    last = graph.sole_consumer("down16")  # the ReLU belongs to it, but where ncnn is asked
    named = "|".join(re.escape(str(node)) for node in (last, graph.producers["down16"]))
    with pytest.raises(ModelError, match=rf"{target} int8: its output \w+16 .*part at ({named})"):
        int8_file.check(broken, graph, plan, spec, photos)


@pytest.mark.parametrize("target", EMITTERS)
def test_a_layer_is_named_though_another_branch_is_right(target, photos, monkeypatch):
    b = operator_cases.Builder(seed=3)
    stem = b.op("Relu", b.conv("images", 3, 8, 3, strides=(4, 4), name="stem"))
    wrong, right = (
        b.op("Relu", b.conv(stem, 8, 8, 3, pads=(1, 1, 1, 1), name=name))
        for name in ("down16", "right")
    )
    joined = b.conv(b.op("Concat", wrong, right, axis=1), 16, 8, name="joined")
    graph = simplify(read(b.model([b.op("Relu", joined, name="out")], (1, 3, 64, 64))).graph)
    images = inputs(photos)
    plan = plan_of(graph, images, target)
    monkeypatch.setattr(int8_file, "int8_artifact", written_wrong)
    last = graph.sole_consumer("down16")
    named = [f"they part at {node}, " for node in (last, graph.producers["down16"])]
    assert int8_file.part(graph, plan, images[0]).startswith(tuple(named))


@pytest.mark.parametrize("target", EMITTERS)
def test_a_damaged_file_is_told_from_a_wrong_emitter(target, whole, photos):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    with pytest.raises(ModelError, match="the file itself is damaged"):
        int8_file.check(int8_artifact(graph, spoilt(plan)), graph, plan, spec, photos)


@pytest.mark.parametrize("target", EMITTERS)
def test_a_layer_in_floats_is_refused_and_so_is_one_too_many(target, whole, photos):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    fewer = plan_of(graph, inputs(photos), target, skip={FIRST, MIDDLE})
    names = rf"\['{FIRST} \(Conv\)', '{MIDDLE} \(Conv\)'\]"
    with pytest.raises(ModelError, match=f"compute in floats, in its plan on codes: {names}"):
        int8_file.check(int8_artifact(graph, fewer), graph, plan, spec, photos)
    with pytest.raises(ModelError, match=f"compute on codes, in its plan in floats: {names}"):
        int8_file.check(int8_artifact(graph, plan), graph, fewer, spec, photos)


@pytest.mark.parametrize("target", EMITTERS)
def test_detections_that_disagree_are_refused(target, whole, photos, monkeypatch):
    graph, spec = whole
    plan = plan_of(graph, inputs(photos), target)
    monkeypatch.setattr(int8_file, "_is_worse", lambda *_: False)
    layers = {
        name: moved(layer) if "boxes" in name else layer for name, layer in plan.layers.items()
    }
    broken = int8_artifact(graph, replace(plan, layers=layers))
    with pytest.raises(ModelError, match=r"agree with the simulation's to AP50 0\.\d+, 0\.9\d+ is"):
        int8_file.check(broken, graph, plan, spec, photos)


def moved(layer):
    """Boxes half a cell wider to one side."""
    return replace(layer, bias=layer.bias + np.array([0, 0, 0.5, 0], np.float32))


@pytest.mark.parametrize("target", EMITTERS)
def test_the_layers_of_a_file_are_those_of_its_plan(target, whole, photos):
    graph, _ = whole
    plan = plan_of(graph, inputs(photos), target, skip={MIDDLE})
    assert int8_layers(graph, plan, int8_artifact(graph, plan).files) == set(plan.layers)


@pytest.mark.parametrize(("detections", "minimum"), [(20, 0.9), (100, 0.94), (1000, 0.96)])
def test_the_fewer_the_detections_the_more_may_be_missed_by_chance(detections, minimum):
    wished = int8_file._least(detections, 0.99)
    assert minimum - 0.01 < wished < minimum
    # A right file, whose detections are 98.5 % those of its simulation, hardly ever has so few.
    drawn = np.random.default_rng(0).binomial(detections, 0.985, 10_000) / detections
    assert (drawn < wished).mean() < 0.01
    # One that shares but nine in ten is refused, once there are enough to tell.
    drawn = np.random.default_rng(0).binomial(detections, 0.9, 10_000) / detections
    assert (drawn < wished).mean() > (0.3 if detections < 100 else 0.85)


def test_what_a_plan_loses_is_no_fault_of_its_file():
    assert int8_file._least(10_000, 0.8) == pytest.approx(0.792)
    assert int8_file._least(0, -1.0) < 0
    assert int8_file._least(50, -1.0) < 0
