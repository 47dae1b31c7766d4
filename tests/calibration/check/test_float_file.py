"""Whether a wrong file is caught, and what is said of it."""

import numpy as np
import pytest
from emitted import canonical
from operator_cases import Builder
from small_detector import detector

from calibration import emit
from calibration.check import float_file
from calibration.graph import Graph
from edge.backends import BACKENDS
from edge.errors import ModelError
from edge.models.base import ModelSpec
from edge.package import Artifact
from edge.recognize import open_model
from edge.types import Candidates, Size

OFF_BY_ONE_IN_FIVE = np.float32(1.2)
BLIND = float_file.Tolerance(10.0, 0.99, 0.005)  # to all but boxes


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A detector's graph, how to read it, and an input."""
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    path.write_bytes(detector())
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    return canonical(path.read_bytes()), open_model([path]).package.spec, image


def wrong(graph: Graph, name: str, write):
    """An emitter that gets the weight of one convolution wrong."""
    weight = graph.producers[name].inputs[1]

    def emit(asked, *, half=False):
        return write(
            asked.rebuilt(
                constants={
                    key: values * OFF_BY_ONE_IN_FIVE if key == weight else values
                    for key, values in asked.constants.items()
                }
            ),
            half=half,
        )

    return emit


def written(backend: str, graph: Graph) -> Artifact:
    return emit.float_artifact(backend, graph)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_right_file_agrees_and_says_in_how_many_boxes(network, backend):
    graph, spec, image = network
    result = float_file.check(written(backend, graph), graph, spec, image, float_file.FULL)
    assert result.decibels > 100
    assert result.boxes > 20


@pytest.mark.parametrize(
    ("tolerance", "why"),
    [
        (
            float_file.FULL,
            r"its output outputs has an SQNR of \d+\.\d dB against ONNX Runtime, 50 dB",
        ),
        (BLIND, r"\d+ boxes are not those of ONNX Runtime, which finds \d+: the first is class"),
    ],
)
@pytest.mark.parametrize("backend", ["ncnn", "mnn", "tflite"])
def test_a_wrong_weight_is_caught_by_numbers_or_boxes_and_named(
    network, backend, tolerance, why, monkeypatch
):
    graph, spec, image = network
    real = emit.emitter
    spoilt = wrong(graph, "boxes16", real(backend))
    monkeypatch.setattr(emit, "emitter", lambda b: spoilt if b == backend else real(b))
    artifact = written(backend, graph)
    with pytest.raises(ModelError, match=f"^{backend} fp32: {why}") as caught:
        float_file.check(artifact, graph, spec, image, tolerance)
    assert "they part at node_boxes16 (Conv), whose output is boxes16" in str(caught.value)


def test_a_box_too_many_is_as_wrong_as_one_too_few():
    one = Candidates(
        np.array([[0, 0, 100, 100]], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int32)
    )
    none = Candidates(*(column[:0] for column in (one.boxes, one.scores, one.class_ids)))
    assert float_file.alone(one, none, float_file.FULL) == [
        "class 0 0.900 at [0.0, 0.0, 100.0, 100.0]"
    ]
    assert not float_file.alone(none, one, float_file.FULL)
    assert not float_file.alone(one, one, float_file.FULL)


@pytest.mark.parametrize("too_many", [True, False])
def test_a_file_that_finds_one_box_more_or_less_is_refused(network, monkeypatch, too_many):
    graph, spec, image = network
    artifact = written("onnxruntime", graph)
    (whole,) = float_file.run(artifact, spec, image)
    less = whole.copy()
    box, column = np.unravel_index(np.argmax(whole[0, :, 5:]), whole[0, :, 5:].shape)
    less[0, box, 5 + column] = 0  # one box of one class, hardly to be seen in the numbers
    pair = iter([less, whole] if too_many else [whole, less])  # expected, then the file's
    monkeypatch.setattr(float_file, "run", lambda *_, **__: (next(pair),))
    with pytest.raises(ModelError, match="1 boxes are not those of ONNX Runtime"):
        float_file.check(artifact, graph, spec, image, BLIND, locate=False)


@pytest.mark.parametrize(("shift", "score"), [(0.6, 0.0), (0.0, 0.006)])
def test_a_box_nearly_in_place_is_not_the_same(shift, score):
    box = np.array([[0, 0, 100, 100]], np.float32)
    one, other = (
        Candidates(box + np.float32(s), np.array([0.9 - c], np.float32), np.zeros(1, np.int32))
        for s, c in ((0, 0), (shift, score))
    )
    assert len(float_file.alone(one, other, float_file.FULL)) == 1


def test_mnn_is_nearer_without_winograd():
    b = Builder(seed=3)
    x, channels = "images", 3
    for _ in range(10):
        x = b.op("Relu", b.conv(x, channels, 32, 3, pads=(1, 1, 1, 1)))
        channels = 32
    graph = canonical(b.model([x], (1, 3, 48, 48)))
    spec = ModelSpec("", "", Size(48, 48), (), output_names=(x,))
    image = np.random.default_rng(0).random((1, 3, 48, 48), np.float32)
    expected = float_file.run(written("onnxruntime", graph), spec, image)
    usual, exact = (
        float_file.decibels(
            float_file.run(written("mnn", graph), spec, image, winograd=way)[0], expected[0]
        )
        for way in (True, False)
    )
    assert exact > 115
    if usual > 110:
        pytest.skip("MNN does not take the method on this CPU")
    assert exact > usual + 6


@pytest.mark.parametrize(
    ("result", "ratio"),
    [([1.0, 2.0], np.inf), ([1.0, np.nan], -np.inf), ([1.0], -np.inf), ([1.1, 2.2], 20.0)],
)
def test_decibels(result, ratio):
    assert float_file.decibels(np.array(result), np.array([1.0, 2.0])) == pytest.approx(ratio)
