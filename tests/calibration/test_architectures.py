"""What `calibration/docs/reference/architectures.md` says, tried."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import numpy as np
from architectures import ARCHITECTURES, SIZE, content
from architectures_table import verdict, written
from emitted import distance, reference

from calibration.emit import EMITTERS


@pytest.mark.parametrize("backend", EMITTERS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_runtime_takes_what_the_table_says_and_computes_it(backend, name):
    assert verdict(backend, name) == written()[name, backend]


def test_the_table_has_every_architecture_and_runtime():
    assert list(written()) == [(name, backend) for name in ARCHITECTURES for backend in EMITTERS]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_a_network_gives_depends_on_its_image(name):
    images = np.random.default_rng(1).random((2, 1, 3, SIZE, SIZE), np.float32)
    (one,), (other,) = (reference(content(name), each) for each in images)
    assert distance(one, other) > 0.1  # a hundred times what runtimes may differ by, and more
