from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, detector

from calibration.quant.options.options import Options
from calibration.quant.options.recipes import Learning, Recipe
from calibration.quant.plan.equalize import at, equalized, sites
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.solve.solve import calibrate
from calibration.quant.spec import fingerprint, spec_file
from calibration.runtimes import RUNTIMES
from edge.errors import CalibrationError


def images(count: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.integers(0, 256, (24, 32, 3)).astype(np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def fast():
    return calibrate(detector(), MODEL, images(), Options(targets=("ncnn", "mnn"), recipe="fast"))


def test_a_calibration_serves_every_target_from_one_spec(fast):
    assert set(fast.spec.schemes) == {"symmetric", "asymmetric"}
    for target in RUNTIMES:
        planned = plan(at(fast.graph, fast.spec, target), fast.spec, target)
        assert planned.layers
    assert fast.spec.count == 3
    assert len(fast.spec.model) == len(fast.spec.images) == 64


def test_no_step_that_was_accepted_made_the_heads_worse(fast):
    for scheme in fast.facts["schemes"].values():
        accepted = [s["objective"] for s in scheme["steps"] if s.get("accepted", True)]
        assert accepted == sorted(accepted, reverse=True)
        assert scheme["objective"] == accepted[-1]
        assert scheme["objective"] <= min(scheme["observers"].values())


def test_layers_stay_float_within_the_budget_alone(fast):
    for scheme in fast.facts["schemes"].values():
        work = scheme["operations"]
        share = sum(work[name] for name in scheme["float_layers"]) / sum(work.values())
        assert share == pytest.approx(scheme["float_share"])
        assert share <= 0.10


def test_the_same_calibration_gives_the_same_bytes(fast):
    message: list[str] = []
    again = calibrate(
        detector(),
        MODEL,
        images(),
        Options(targets=("mnn", "ncnn"), recipe="fast"),
        report=lambda s, *_: message.append(s),
    )
    assert {"observe, symmetric", "clips, symmetric", "clips, asymmetric"} <= set(message)
    assert spec_file.dumps(again.spec) == spec_file.dumps(fast.spec)
    assert spec_file.dumps(spec_file.loads(spec_file.dumps(fast.spec))) == spec_file.dumps(
        fast.spec
    )


def test_a_spec_read_from_its_file_gives_the_same_plan(fast):
    again = spec_file.loads(spec_file.dumps(fast.spec))
    for target in RUNTIMES:
        results, expected = (plan(at(fast.graph, s, target), s, target) for s in (again, fast.spec))
        assert results.tensors == expected.tensors
        for name, layer in expected.layers.items():
            assert np.array_equal(results.layers[name].weight, layer.weight)
            assert np.array_equal(results.layers[name].weight_scales, layer.weight_scales)


def test_facts_are_json_and_tell_of_every_tensor_and_layer(fast):
    facts = json.loads(json.dumps(fast.facts))
    scheme = facts["schemes"]["symmetric"]
    assert scheme["target"] == "ncnn"
    assert set(scheme["ranges"]) <= set(scheme["histograms"])
    layers = set(fast.spec.schemes["symmetric"].layers)
    assert set(scheme["sensitivity"]) <= layers
    assert scheme["weights_only"] >= 0
    assert scheme["activations_only"] >= 0
    assert sum(scheme["histograms"]["stem"]["counts"]) > 0


def test_layers_stay_float_where_asked_and_are_known_by_name():
    kept = Options(recipe="fast", float_budget=0.0, keep_float=("n_boxes", "n_stem_plain"))
    detections = calibrate(detector(), MODEL, images(2), kept)
    assert set(detections.spec.schemes["symmetric"].float_layers) == {"n_boxes", "n_stem_plain"}
    with pytest.raises(CalibrationError, match="'n_box' should stay float"):
        calibrate(detector(), MODEL, images(2), Options(keep_float=("n_box",)))


def test_progress_is_told_by_step_and_reaches_its_end():
    text: dict[str, list[tuple[int, int]]] = {}
    calibrate(
        detector(), MODEL, images(2), Options(recipe="fast"),
        report=lambda step, done, total: text.setdefault(step, []).append((done, total)),
    )  # fmt: skip
    assert {"observe", "ranges", "sensitivity", "clips"} <= set(text)
    for steps in text.values():
        assert steps[-1][0] == steps[-1][1]


def test_wrong_wishes_are_refused():
    with pytest.raises(CalibrationError, match="unknown recipe 'magic'; known: fast"):
        Options(recipe="magic")
    with pytest.raises(CalibrationError, match="no images"):
        calibrate(detector(), MODEL, [], Options(recipe="fast"))


def test_learning_is_a_step_like_any_other(monkeypatch):
    pytest.importorskip("torch")
    short = Recipe(images=2, tensors=0, float_layers=False, learning=Learning(6))
    monkeypatch.setattr("calibration.quant.options.options.RECIPES", {"short": short})
    detections = calibrate(detector(), MODEL, images(2), Options(recipe="short"))
    (step,) = (
        s for s in detections.facts["schemes"]["symmetric"]["steps"] if s["step"] == "learning"
    )
    layers = detections.spec.schemes["symmetric"].layers.values()
    assert step["accepted"] == any(layer.bias is not None for layer in layers)
    assert detections.facts["schemes"]["symmetric"]["objective"] <= step["objective"]


def test_training_in_full_takes_the_place_of_the_recipes_learning(monkeypatch):
    pytest.importorskip("torch")
    plain = Recipe(images=2, tensors=0, float_layers=False, learning=Learning())
    monkeypatch.setattr("calibration.quant.options.options.RECIPES", {"plain": plain})
    monkeypatch.setattr("calibration.quant.options.options.QAT", Learning(6, crops=True))
    teacher = prepare(detector(seed=1))
    detections = calibrate(
        detector(), MODEL, images(2), Options(recipe="plain", qat=True), teacher=teacher
    )
    steps = detections.facts["schemes"]["symmetric"]["steps"]
    assert steps[-1]["step"] == "learning"
    assert "objective" in steps[-1]
    assert detections.spec.recipe == "plain with qat"


def test_a_teacher_of_another_shape_is_refused():
    turned = detector().rebuilt(outputs=["boxes", "scores"])
    with pytest.raises(CalibrationError, match=r"teacher's boxes has the shape \(1, 4, 8, 8\)"):
        calibrate(detector(), MODEL, images(1), Options(), teacher=turned)
    short = detector().rebuilt(outputs=["scores"])
    with pytest.raises(CalibrationError, match="the teacher has 1 outputs, the network 2"):
        calibrate(detector(), MODEL, images(1), Options(), teacher=short)


def test_without_torch_all_other_steps_are_taken_and_the_facts_say_so(monkeypatch):
    short = Recipe(images=2, tensors=0, float_layers=False, learning=Learning(6))
    monkeypatch.setattr("calibration.quant.options.options.RECIPES", {"short": short})
    monkeypatch.setattr("calibration.quant.solve.stages.find_spec", lambda name: None)
    detections = calibrate(detector(), MODEL, images(2), Options(recipe="short"))
    steps = detections.facts["schemes"]["symmetric"]["steps"]
    assert steps[-1] == {"step": "learning", "skipped": "torch is not installed"}
    assert [step["step"] for step in steps[:-1]] == [
        "ranges: min-max",
        "ranges: best observer",
        "weights: least error",
    ]


def test_a_network_whose_channels_differ_much_is_equalized_and_its_spec_says_how(monkeypatch):
    short = Recipe(images=2, tensors=0, float_layers=False, learning=Learning())
    recipes = {"short": short, "plain": replace(short, equalize=False)}
    monkeypatch.setattr("calibration.quant.options.options.RECIPES", recipes)
    graph = prepare(detector(activation="LeakyRelu"))
    random = np.random.default_rng(0)
    uneven = {
        name: np.exp2(random.uniform(-5, 5, graph.shapes[name][1])).astype(np.float32)
        for name, site in sites(graph).items()
        if site.producer is not None and site.readers
    }
    bad = equalized(graph, uneven)
    result = calibrate(bad, MODEL, images(), Options(recipe="short"))
    losses = result.facts["schemes"]["symmetric"]["equalization"]
    assert losses["in weights"] < 0.5 * losses["as it is"]
    read = spec_file.loads(spec_file.dumps(result.spec))
    assert read.schemes["symmetric"].equalization
    written = (at(result.graph, spec, "ncnn") for spec in (result.spec, read))
    assert len({fingerprint.of_graph(each) for each in (result.graph, *written)}) == 2
    assert fingerprint.of_graph(prepare(bad)) == result.spec.model
    as_it_is = calibrate(graph, MODEL, images(), Options(recipe="plain"))
    assert not as_it_is.spec.schemes["symmetric"].equalization
    assert as_it_is.facts["schemes"]["symmetric"]["equalization"] == {}
