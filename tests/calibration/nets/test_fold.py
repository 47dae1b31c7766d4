from __future__ import annotations

import numpy as np
import pytest

from calibration.nets.fold import fold


def conv(x, kernel, bias):
    """A 3x3 or 1x1 convolution of (C, H, W), zero padded; plain loops over the taps."""
    pad = kernel.shape[2] // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height, width = x.shape[1:]
    out = np.zeros((len(kernel), height, width))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            tap = padded[:, i : i + height, j : j + width]
            out += np.tensordot(kernel[:, :, i, j], tap, 1)
    return out + bias[:, None, None]


def normalize(x, state, prefix, eps):
    weight, bias, mean, variance = (
        state[f"{prefix}.{part}"][:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def bn(prefix, channels, random):
    return {
        f"{prefix}.weight": random.uniform(0.5, 2, channels),
        f"{prefix}.bias": random.normal(size=channels),
        f"{prefix}.running_mean": random.normal(size=channels),
        f"{prefix}.running_var": random.uniform(0.1, 3, channels),
        f"{prefix}.num_batches_tracked": np.array(7),
    }


@pytest.mark.parametrize("identity", [True, False])
@pytest.mark.parametrize("eps", [1e-3, 0.5])
def test_a_rep_block_becomes_one_convolution(identity, eps):
    random = np.random.default_rng(1)
    inputs, outputs = (5, 5) if identity else (3, 5)
    state = {
        "a.rbr_dense.conv.weight": random.normal(size=(outputs, inputs, 3, 3)),
        "a.rbr_1x1.conv.weight": random.normal(size=(outputs, inputs, 1, 1)),
        **bn("a.rbr_dense.bn", outputs, random),
        **bn("a.rbr_1x1.bn", outputs, random),
        **(bn("a.rbr_identity", outputs, random) if identity else {}),
    }
    x = random.normal(size=(inputs, 6, 7))
    zero = np.zeros(outputs)
    expected = normalize(
        conv(x, state["a.rbr_dense.conv.weight"], zero), state, "a.rbr_dense.bn", eps
    )
    expected += normalize(conv(x, state["a.rbr_1x1.conv.weight"], zero), state, "a.rbr_1x1.bn", eps)
    if identity:
        expected += normalize(x, state, "a.rbr_identity", eps)
    folded = fold(state, eps)
    assert folded.keys() == {"a.rbr_reparam.weight", "a.rbr_reparam.bias"}
    result = conv(x, folded["a.rbr_reparam.weight"], folded["a.rbr_reparam.bias"])
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_implicit_knowledge_is_folded_once():
    random = np.random.default_rng(2)
    state = {
        "m.conv.weight": random.normal(size=(2, 2, 1, 1)),
        **bn("m.bn", 2, random),
        "h.m.0.weight": random.normal(size=(4, 2, 1, 1)),
        "h.m.0.bias": random.normal(size=4),
        "h.ia.0.implicit": random.normal(size=(1, 2, 1, 1)),
        "h.im.0.implicit": random.normal(size=(1, 4, 1, 1)),
    }
    x = random.normal(size=(2, 3, 3))
    expected = state["h.im.0.implicit"][0] * conv(
        x + state["h.ia.0.implicit"][0], state["h.m.0.weight"], state["h.m.0.bias"]
    )
    folded = fold(state)
    assert not [name for name in folded if "implicit" in name]
    result = conv(x, folded["h.m.0.weight"], folded["h.m.0.bias"])
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    # What upstream leaves in a folded file must not be applied again.
    left = {name: state[name] for name in state if "implicit" in name}
    again = fold({**folded, **left})
    assert again.keys() == folded.keys()
    assert all(np.array_equal(again[name], folded[name]) for name in folded)


def test_what_belongs_to_no_block_stays_and_inputs_are_untouched():
    random = np.random.default_rng(3)
    state = {"p.weight": random.normal(size=(4, 2, 1, 1)), "c.conv.weight": np.ones((2, 2, 1, 1))}
    state |= bn("c.bn", 2, random)
    before = {name: values.copy() for name, values in state.items()}
    folded = fold(state)
    assert np.array_equal(folded["p.weight"], state["p.weight"])
    folded["p.weight"][:] = 0
    assert all(np.array_equal(before[name], state[name]) for name in state)
