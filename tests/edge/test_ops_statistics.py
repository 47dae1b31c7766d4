"""What calibration accumulates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import ops

HOSTILE = np.array([np.nan, np.inf, -np.inf, 3.4028235e38, -3.4028235e38, 1e-45, -0.0], np.float32)


def activations(seed: int, n: int, hostile: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = (rng.standard_t(3, n) * 10).astype(np.float32)
    where = rng.random(n) < hostile
    values[where] = rng.choice(HOSTILE, int(where.sum()))
    return values


values = st.builds(
    activations, st.integers(0, 9999), st.integers(0, 400), st.sampled_from([0.0, 0.1, 1.0])
)


class TestValueRange:
    @settings(max_examples=150, deadline=None)
    @given(values)
    def test_is_that_of_the_finite_values(self, array):
        finite = array[np.isfinite(array)]
        expected = (finite.min(), finite.max()) if len(finite) else (np.inf, -np.inf)
        for target in ops.targets():
            assert ops.value_range(array, target=target) == expected

    def test_refuses_gaps_and_other_dtypes(self):
        with pytest.raises(TypeError, match="values must be contiguous"):
            ops.value_range(np.zeros(9, np.float32)[::2])
        with pytest.raises(TypeError, match="values must be float32, got float64"):
            ops.value_range(np.zeros(9))


class TestMagnitudes:
    @settings(max_examples=60, deadline=None)
    @given(values)
    def test_count_the_upper_halves(self, array):
        counts = np.zeros(ops.MAGNITUDES, np.int64)
        ops.add_magnitudes(array, counts)
        upper = (array.view(np.uint32) & 0x7FFFFFFF) >> 16
        np.testing.assert_array_equal(counts, np.bincount(upper, minlength=ops.MAGNITUDES))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 9999), st.integers(1, 3000), st.sampled_from([0, 50, 99, 99.9, 100]))
    def test_give_percentiles_to_one_in_128(self, seed, n, percent):
        array = activations(seed, n, 0)
        counts = np.zeros(ops.MAGNITUDES, np.int64)
        ops.add_magnitudes(array[: n // 2], counts)
        ops.add_magnitudes(array[n // 2 :], counts)
        exact = np.percentile(np.abs(array), percent, method="inverted_cdf")
        result = ops.magnitude_percentile(counts, percent)
        assert exact <= result <= exact * (1 + 1 / 127)

    def test_of_nothing_are_zero(self):
        assert ops.magnitude_percentile(np.zeros(ops.MAGNITUDES, np.int64), 99) == 0

    def test_refuse_a_percentage_that_is_none(self):
        with pytest.raises(ValueError, match="percent must be 0 to 100, got 101"):
            ops.magnitude_percentile(np.zeros(ops.MAGNITUDES, np.int64), 101)
