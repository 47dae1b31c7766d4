"""Every operator in every runtime, against ONNX Runtime on the file as it came."""

import numpy as np
import pytest
from emitted import canonical, distance, reference, run
from operator_cases import OPERATORS, Builder

from calibration.emit import EMITTERS, CannotEmitError, emitter, float_artifact
from edge.backends import describe
from edge.errors import BackendError, UnsupportedModelError


def image(shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


REFUSED = {("tflite", "conv transposed grouped")}
APPROXIMATED = {("mnn", "gelu in pieces"): 1e-3}  # as a polynomial
TAKEN = [(b, n) for b in EMITTERS for n in OPERATORS if (b, n) not in REFUSED]


@pytest.mark.parametrize(("backend", "name"), TAKEN)
def test_an_operator_gives_what_onnx_runtime_gives(backend, name):
    case = OPERATORS[name]
    content, x = case.content(), image(case.shape)
    graph = canonical(content)
    result = run(backend, emitter(backend)(graph), graph, x)
    for values, expected in zip(result, reference(content, x), strict=True):
        assert values.shape == expected.shape
        assert distance(values, expected) < APPROXIMATED.get((backend, name), 1e-5)


@pytest.mark.parametrize(("backend", "name"), sorted(REFUSED))
def test_what_a_runtime_lacks_is_refused_by_name(backend, name):
    graph = canonical(OPERATORS[name].content())
    with pytest.raises(CannotEmitError) as caught:
        emitter(backend)(graph)
    assert list(caught.value.reasons) == [str(graph.nodes[0])]


@pytest.mark.parametrize("backend", ["ncnn", "tflite", "mnn"])
def test_all_unknown_operators_are_named_at_once(backend):
    b = Builder()
    y = b.op("Relu", b.op("Hardmax", "images"))
    graph = canonical(b.model([b.op("Hardmax", y, axis=1)], (1, 2, 4, 4)))
    with pytest.raises(CannotEmitError) as caught:
        emitter(backend)(graph)
    assert list(caught.value.reasons) == ["node_Hardmax_0 (Hardmax)", "node_Hardmax_2 (Hardmax)"]
    assert "node_Hardmax_0" in str(caught.value)
    assert "node_Hardmax_2" in str(caught.value)


def test_a_file_that_would_crash_its_reader_is_refused():
    b = Builder()
    y = b.op("LpPool", "images", kernel_shape=(2, 2))  # which the converter takes
    graph = canonical(b.model([b.op("Relu", y)], (1, 2, 4, 4)))
    with pytest.raises(BackendError, match="MNN does not load what its converter wrote"):
        emitter("mnn")(graph)


@pytest.mark.parametrize("backend", EMITTERS)
def test_half_weights_are_near_and_half_the_size(backend):
    b = Builder()
    content = b.model([b.conv(b.op("Relu", b.conv("images", 8, 64, 3)), 64, 64, 3)])
    graph, x = canonical(content), image((1, 8, 12, 16))
    whole, halved = (float_artifact(backend, graph, half=half) for half in (False, True))
    assert (whole.precision, halved.precision) == ("fp32", "fp16")
    assert sum(map(len, halved.files.values())) < 0.6 * sum(map(len, whole.files.values()))
    result = run(backend, halved.files, graph, x)[0]
    assert 1e-6 < distance(result, reference(content, x)[0]) < 2e-3


@pytest.mark.parametrize("backend", EMITTERS)
def test_an_artifact_has_the_layout_of_its_file(backend):
    b = Builder()
    made = float_artifact(backend, canonical(b.model([b.conv("images", 3, 8)], (1, 3, 8, 8))))
    assert describe(backend, made.files).inputs[0].layout == made.layout


def test_an_unknown_target_is_refused():
    with pytest.raises(UnsupportedModelError, match="known: ncnn, mnn, tflite, onnxruntime"):
        emitter("coreml")
