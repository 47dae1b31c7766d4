from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, detector, images
from quant_references import min_max_spec, run, tensors

torch = pytest.importorskip("torch")

from calibration.quant.learn import learn as module  # noqa: E402
from calibration.quant.learn.learn import learn  # noqa: E402
from calibration.quant.learn.loss import channel_wise, distance  # noqa: E402
from calibration.quant.learn.student import Student  # noqa: E402
from calibration.quant.learn.torch_graph import TorchGraph  # noqa: E402
from calibration.quant.observe.session import Session  # noqa: E402
from calibration.quant.options.recipes import Learning  # noqa: E402
from calibration.quant.plan.planning import plan  # noqa: E402
from calibration.quant.plan.prepare import prepare  # noqa: E402
from calibration.quant.search.context import SearchContext  # noqa: E402
from calibration.quant.simulate.heads import levels, necks  # noqa: E402
from calibration.quant.simulate.incremental import IncrementalSimulator  # noqa: E402
from calibration.quant.simulate.objective import Objective  # noqa: E402
from calibration.quant.simulate.simulate import simulate  # noqa: E402
from calibration.quant.spec.spec import LayerSpec, QuantSpec  # noqa: E402
from calibration.runtimes import RUNTIMES, runtime  # noqa: E402


def posed(
    target: str, widened: float = 1.0, activation: str = "Relu"
) -> tuple[SearchContext, QuantSpec]:
    """A problem, and a spec whose ranges are so much too wide."""
    graph, inputs = prepare(detector(activation=activation)), images(4)
    spec = min_max_spec(graph, inputs.real(0))
    scheme = spec.schemes["asymmetric"]
    wide = {name: (low * widened, high * widened) for name, (low, high) in scheme.ranges.items()}
    wide["image"] = inputs.limits()
    spec = QuantSpec({runtime(target).scheme: replace(scheme, ranges=wide)})
    trial = IncrementalSimulator(graph, spec, target, inputs)
    objective = Objective(inputs, MODEL, trial.set_baseline(None))
    held_out = range(len(inputs))
    message = SearchContext(
        graph, MODEL, target, inputs, {}, trial, objective, held_out, lambda done, total: None
    )
    return message, spec


@pytest.mark.parametrize("target", sorted(RUNTIMES))
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_before_any_step_the_student_is_the_simulation(target, activation):
    problem, spec = posed(target, activation=activation)
    student = Student(problem, spec, TorchGraph(problem.graph))
    simulated = simulate(problem.graph, plan(problem.graph, spec, target))
    image = problem.inputs.real(1)
    with torch.no_grad():
        result = student(torch.from_numpy(image))
    for values, (name, expected) in zip(result, run(simulated, image).items(), strict=True):
        near = np.abs(values.numpy() - expected) <= np.ptp(expected) / 100
        assert near.mean() > 0.9, name  # a sum on the edge of two codes may go either way


@pytest.mark.parametrize("target", ["ncnn", "tflite"])
def test_what_was_learned_is_what_the_student_computes(target):
    problem, spec = posed(target, widened=2.0)
    student = Student(problem, spec, TorchGraph(problem.graph))
    with torch.no_grad():
        for kind in ("ranges", "biases", "steps"):
            for value in student.parameters(kind):
                value += 0.1
        for value in student.parameters("weights"):
            value[:, 0] += 2.0
    again = Student(problem, student.spec(), TorchGraph(problem.graph))
    image = torch.from_numpy(problem.inputs.real(0))
    with torch.no_grad():
        for result, expected in zip(again(image), student(image), strict=True):
            torch.testing.assert_close(result, expected, atol=0.05, rtol=0.05)
    learned = problem.scheme(student.spec())
    assert learned.ranges["image"] == problem.inputs.limits()
    assert isinstance(learned.layers["n_boxes"], LayerSpec)
    bias = problem.graph.constants["boxes/bias"]
    np.testing.assert_allclose(learned.layers["n_boxes"].bias, bias + 0.1, atol=1e-6)
    layer = plan(problem.graph, student.spec(), target).layers["n_boxes"]
    first, others = (layer.weight[:, part] * layer.weight_scales.reshape(-1, 1, 1, 1)
                     for part in (slice(0, 1), slice(1, None)))  # fmt: skip
    own = problem.graph.constants["boxes/weight"]
    unit = problem.scheme(spec).layers["n_boxes"].weight_scales.reshape(-1, 1, 1, 1)
    assert (np.abs(first - own[:, :1] - 2 * unit) <= 0.6 * layer.weight_scales.max()).all()
    assert (np.abs(others - own[:, 1:]) <= 0.6 * layer.weight_scales.max()).all()


@pytest.mark.parametrize("target", ["ncnn", "tflite"])
def test_learning_brings_heads_nearer_where_ranges_cut_too_much(target):
    problem, spec = posed(target, widened=0.5)
    before = problem.loss(spec).total
    learned = learn(problem, spec, Learning(30), seed=0)
    assert problem.loss(learned).total < 0.8 * before
    again = learn(problem, spec, Learning(30), seed=0)
    assert problem.scheme(again).ranges == problem.scheme(learned).ranges


def test_the_distance_is_the_objective():
    problem, spec = posed("ncnn")
    outputs = problem.trial.outputs(spec)
    teacher = problem.trial.outputs(None)

    def predictions(index, values):
        inside = [problem.inputs.image(index, torch.from_numpy(each)) for each in values]
        return levels(inside, MODEL)

    results, expected = (
        [predictions(index, values) for index, values in enumerate(each)]
        for each in (outputs, teacher)
    )
    assert float(distance(results, expected)) == pytest.approx(
        problem.objective(outputs).total, rel=1e-4
    )


def test_codes_of_weights_that_are_learned_bring_heads_nearer_still():
    problem, spec = posed("ncnn", widened=0.5)
    before, ratios = problem.loss(spec).total, []
    for seed in range(3):
        plain, learned = (
            learn(problem, spec, Learning(60, weights=weights), seed) for weights in (False, True)
        )
        rounding_offsets = [
            layer.rounding_offsets for layer in problem.scheme(learned).layers.values()
        ]
        assert all(
            layer.rounding_offsets is None for layer in problem.scheme(plain).layers.values()
        )
        assert any(each is not None and each.any() for each in rounding_offsets)
        near = problem.loss(plain).total
        assert near < 0.6 * before  # 0.45
        ratios.append(problem.loss(learned).total / near)
    assert np.median(ratios) < 0.985  # 0.955 to 0.97, by seeds


def test_features_behind_the_heads_are_brought_nearer_where_that_is_asked():
    problem, spec = posed("ncnn", widened=0.5)
    (name,) = necks(problem.graph, MODEL)

    def apart(spec: QuantSpec) -> float:
        simulated = simulate(problem.graph, plan(problem.graph, spec, "ncnn"))
        pairs = [
            [
                torch.from_numpy(tensors(graph, problem.inputs.real(index))[name]).flatten(2)[0]
                for graph in (simulated, problem.graph)
            ]
            for index in range(4)
        ]
        return float(sum(channel_wise(*pair) for pair in pairs))

    plain, asked = (
        learn(problem, spec, Learning(30, necks=weight), seed=0) for weight in (0.0, 1000.0)
    )
    assert apart(plain) < 0.8 * apart(spec)  # 0.65, by any seed
    assert apart(asked) < 0.985 * apart(plain)  # 0.968 to 0.971, by seeds
    assert apart(problem.with_floats(spec, dict.fromkeys(problem.layers(spec), ""))) < 1e-6


def test_learning_that_only_does_harm_gives_back_what_it_was_given(monkeypatch):
    problem, spec = posed("ncnn")
    monkeypatch.setattr(module, "_RATES", dict.fromkeys(module._RATES, 1.0))
    assert learn(problem, spec, Learning(6), seed=0) is spec


def test_images_that_judge_are_not_learned_from():
    problem, _ = posed("ncnn")
    subset = replace(problem, inputs=images(7), held_out=[1, 5])
    assert module._learners(subset) == [0, 2, 3, 4, 6]
    assert module._learners(problem) == [0, 1, 2, 3]  # there are no others


def test_a_teacher_is_learned_from_in_place_of_the_network_itself():
    problem, spec = posed("ncnn")
    louder = {"scores/bias": problem.graph.constants["scores/bias"] + 0.5}
    other = problem.graph.rebuilt(constants=louder)
    session = Session(other)
    outputs = [session(problem.inputs.real(index)) for index in range(4)]
    objective = Objective(problem.inputs, MODEL, outputs)
    alone = learn(problem, spec, Learning(30), seed=0)
    taught = learn(problem, spec, Learning(30), seed=0, teacher=other)
    by_itself, by_teacher = (objective(problem.trial.outputs(s)).total for s in (alone, taught))
    assert by_teacher < 0.97 * by_itself
