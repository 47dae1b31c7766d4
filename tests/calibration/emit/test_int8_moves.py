"""Codes between two convolutions, through every operator, in every runtime that keeps them."""

import pytest
from emitted import canonical
from int8_cases import MOVES, images, ratios, run
from operator_cases import SHAPE, Builder
from plans import outputs, plan_of, simulated

from calibration.check.int8_file import int8_layers
from calibration.emit import emitter

TARGETS = ("mnn", "tflite", "onnxruntime")
FLOAT = {"transpose", "reshape", "hard swish"}  # by the runtimes' policies


def between(name):
    """A convolution, an operator, and a convolution."""
    b = Builder()
    x = MOVES[name](b, b.op("Relu", b.conv("images", 8, 8, name="before")))
    channels = canonical(b.model([x], SHAPE)).shapes[x][1]
    return canonical(b.model([b.conv(x, channels, 5, name="after")], SHAPE))


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("target", TARGETS)
def test_an_operator_hands_on_what_the_plan_says(target, name):
    graph, image = between(name), images(1, SHAPE, seed=3)[0]
    plan = plan_of(graph, images(4, SHAPE), target)
    assert len(plan.pass_through) == (name not in FLOAT)
    files = emitter(target)(graph, plan=plan)
    assert int8_layers(graph, plan, files) == set(plan.layers) == {"node_before", "node_after"}
    exact, expected = outputs(graph, image), simulated(graph, plan, image)
    assert min(ratios(expected, exact)) > 25
    assert ratios(run(graph, plan, image, files), exact) == pytest.approx(
        ratios(expected, exact), abs=1
    )
