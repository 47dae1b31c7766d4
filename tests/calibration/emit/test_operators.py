"""Every operator in every runtime, against ONNX Runtime on the file as it came."""

import numpy as np
import pytest
from emitted import canonical, distance, reference, run
from operator_cases import OPERATORS

from calibration.emit import EMITTERS


def image(shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("backend", EMITTERS)
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_what_onnx_runtime_gives(backend, name):
    case = OPERATORS[name]
    content, x = case.content(), image(case.shape)
    graph = canonical(content)
    found = run(backend, EMITTERS[backend](graph), graph, x)
    for values, wanted in zip(found, reference(content, x), strict=True):
        assert values.shape == wanted.shape
        assert distance(values, wanted) < 1e-5
