from __future__ import annotations

import numpy as np
import pytest

from edge import board
from edge.backends import open_backend
from edge.backends.base import BackendOptions, TensorSpec
from edge.doctor import probe

pytest.importorskip("MNN")


@pytest.mark.parametrize("half", [False, True])
def test_gives_float32_also_where_the_cpu_computes_in_half_precision(monkeypatch, half):
    # There MNN stores two bytes a value. This CPU does not, but takes the same path through ours.
    monkeypatch.setattr(board, "has_half_arithmetic", lambda: half)
    files = {"mnn": (probe.FOLDER / "probe.mnn").read_bytes()}
    spec = TensorSpec("images", (1, 3, 32, 32))
    backend = open_backend("mnn", files, spec, ["found"], BackendOptions(1, "fp16"))
    assert backend.precision == ("fp16" if half else "fp32")
    results = []
    for fed in (probe.image(), 0 * probe.image(), probe.image()):
        backend.input_view()[...] = fed
        (output,) = backend.run()
        assert output.values.dtype == np.float32
        results.append(output.values.copy())
    backend.close()
    expected = np.load(probe.FOLDER / "found.npy")
    assert np.abs(results[0].reshape(expected.shape) - expected).max() < 0.02
    assert np.array_equal(results[0], results[2])
    assert np.abs(results[0] - results[1]).max() > 0.1
