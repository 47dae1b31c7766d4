from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, detector, pictures
from quant_references import min_max_spec, run

torch = pytest.importorskip("torch")

from calibration.quant.heads import levels  # noqa: E402
from calibration.quant.objective import Objective  # noqa: E402
from calibration.quant.planning import plan  # noqa: E402
from calibration.quant.policy import POLICIES, policy  # noqa: E402
from calibration.quant.prepare import prepare  # noqa: E402
from calibration.quant.recipe.learn import Student, distance, learn  # noqa: E402
from calibration.quant.recipe.problem import Problem  # noqa: E402
from calibration.quant.simulate import simulate  # noqa: E402
from calibration.quant.spec import LayerSpec, QuantSpec  # noqa: E402
from calibration.quant.torch_graph import TorchGraph  # noqa: E402
from calibration.quant.trial import Trial  # noqa: E402


def posed(target: str, widened: float = 1.0, activation: str = "Relu") -> tuple[Problem, QuantSpec]:
    """A problem, and a spec whose ranges are so much too wide."""
    graph, inputs = prepare(detector(activation=activation)), pictures(4)
    spec = min_max_spec(graph, inputs.real(0))
    scheme = spec.schemes["asymmetric"]
    wide = {name: (low * widened, high * widened) for name, (low, high) in scheme.ranges.items()}
    wide["image"] = inputs.limits()
    spec = QuantSpec({policy(target).scheme: replace(scheme, ranges=wide)})
    trial = Trial(graph, spec, target, inputs)
    objective = Objective(inputs, MODEL, trial.rebase(None))
    told = Problem(graph, MODEL, target, inputs, {}, trial, objective, lambda done, total: None)
    return told, spec


@pytest.mark.parametrize("target", sorted(POLICIES))
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_before_any_step_the_student_is_the_simulation(target, activation):
    problem, spec = posed(target, activation=activation)
    student = Student(problem, spec, TorchGraph(problem.graph))
    simulated = simulate(problem.graph, plan(problem.graph, spec, target))
    image = problem.inputs.real(1)
    with torch.no_grad():
        found = student(torch.from_numpy(image))
    for values, (name, wanted) in zip(found, run(simulated, image).items(), strict=True):
        near = np.abs(values.numpy() - wanted) <= np.ptp(wanted) / 100
        assert near.mean() > 0.9, name  # a sum on the edge of two codes may go either way


@pytest.mark.parametrize("target", ["ncnn", "tflite"])
def test_what_was_learned_is_what_the_student_computes(target):
    problem, spec = posed(target, widened=2.0)
    student = Student(problem, spec, TorchGraph(problem.graph))
    with torch.no_grad():
        for kind in ("ranges", "biases", "steps"):
            for value in student.parameters(kind):
                value += 0.1
    again = Student(problem, student.spec(), TorchGraph(problem.graph))
    image = torch.from_numpy(problem.inputs.real(0))
    with torch.no_grad():
        for found, wanted in zip(again(image), student(image), strict=True):
            torch.testing.assert_close(found, wanted, atol=0.05, rtol=0.05)
    learned = problem.scheme(student.spec())
    assert learned.ranges["image"] == problem.inputs.limits()
    assert isinstance(learned.layers["n_boxes"], LayerSpec)
    bias = problem.graph.constants["boxes/bias"]
    np.testing.assert_allclose(learned.layers["n_boxes"].bias, bias + 0.1, atol=1e-6)


@pytest.mark.parametrize("target", ["ncnn", "tflite"])
def test_learning_brings_heads_nearer_where_ranges_cut_too_much(target):
    problem, spec = posed(target, widened=0.5)
    before = problem.loss(spec).total
    learned = learn(problem, spec, steps=30, seed=0)
    assert problem.loss(learned).total < 0.8 * before
    again = learn(problem, spec, steps=30, seed=0)
    assert problem.scheme(again).ranges == problem.scheme(learned).ranges


def test_the_distance_is_the_objective():
    problem, spec = posed("ncnn")
    outputs = problem.trial.outputs(spec)
    teacher = problem.trial.outputs(None)

    def said(index, values):
        inside = [problem.inputs.picture(index, torch.from_numpy(each)) for each in values]
        return levels(inside, MODEL)

    found, wanted = (
        [said(index, values) for index, values in enumerate(each)] for each in (outputs, teacher)
    )
    assert float(distance(found, wanted)) == pytest.approx(
        problem.objective(outputs).total, rel=1e-4
    )
