from __future__ import annotations

import numpy as np
import pytest

from calibration.quant.observe.histograms import Histogram
from calibration.quant.observe.observers import (
    OBSERVERS,
    clipped_share,
    entropy,
    laplace,
    min_max,
    mse,
    percentile,
)


def seen_of(values) -> Histogram:
    histograms = Histogram()
    histograms.add(np.asarray(values, np.float32))
    return histograms


@pytest.fixture
def tailed() -> np.ndarray:
    """A bell with few and far outliers."""
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(0, 1, 20000), [40.0, -30.0]]).astype(np.float32)


def rounding_error(values, low, high, steps) -> float:
    step = (high - low) / steps
    return float(((np.clip(np.rint(values / step) * step, low, high) - values) ** 2).mean())


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_ranges_hold_zero_and_stay_within_what_was_seen(name, symmetric, tailed):
    for values in (tailed, np.abs(tailed), -np.abs(tailed), np.zeros(9), np.full(9, 3.0)):
        low, high = OBSERVERS[name](seen_of(values), symmetric=symmetric)
        assert low <= 0 <= high
        assert low >= min(values.min(), 0) * 1.01
        assert high <= max(values.max(), 0) * 1.01
    assert OBSERVERS[name](Histogram(), symmetric=symmetric) == (0.0, 0.0)


def test_min_max_is_all(tailed):
    assert min_max(seen_of(tailed), symmetric=True) == (-30.0, 40.0)


def test_percentiles_leave_out_so_many(tailed):
    histograms = seen_of(tailed)
    for symmetric in (True, False):
        low, high = percentile(99)(histograms, symmetric=symmetric)
        assert ((tailed < low) | (tailed > high)).mean() == pytest.approx(0.01, abs=0.002)
    rectified = np.maximum(tailed, 0)
    low, high = percentile(99)(seen_of(rectified), symmetric=False)
    assert low == 0
    assert (rectified > high).mean() == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize(("symmetric", "steps"), [(True, 254), (False, 255)])
def test_mse_is_no_worse_than_any_range_of_a_finer_search(symmetric, steps, tailed):
    for values in (tailed, np.maximum(tailed, 0)):
        low, high = mse(seen_of(values), symmetric=symmetric)
        max_abs = max(-low, high) if symmetric else None
        result = rounding_error(values, *((-max_abs, max_abs) if symmetric else (low, high)), steps)
        for clip in np.linspace(1, 40, 100):
            bottom = -clip if symmetric else max(values.min(), -clip)
            assert result <= rounding_error(values, bottom, clip, steps) * 1.1


def test_mse_chooses_the_upper_end_again_after_the_lower_one():
    """Both ends hang on each other, so one that was chosen first is chosen once more."""
    random = np.random.default_rng(51)
    values = np.concatenate([random.normal(0, 1, 588524), [-18.53] * 1, [13.72] * 2]).astype(
        np.float32
    )
    low, high = mse(seen_of(values), symmetric=False)
    error = rounding_error(values, low, high, 255)
    for other in np.geomspace(high / 2, high * 2, 41):
        assert error <= rounding_error(values, low, other, 255) * 1.02


def test_entropy_and_laplace_let_go_of_far_outliers(tailed):
    for observer in (entropy, laplace):
        assert observer(seen_of(tailed), symmetric=True)[1] < 20


def test_laplace_is_the_published_multiple_of_the_mean_deviation():
    random = np.random.default_rng(0)
    values = random.laplace(0, 0.5, 100000)
    low, high = laplace(seen_of(np.append(values, [50, -50])), symmetric=True)
    assert high == pytest.approx(9.8968 * 0.5, rel=0.02)
    assert low == pytest.approx(-high, rel=0.02)


def test_entropy_keeps_what_is_evenly_spread():
    values = np.random.default_rng(0).random(100000)
    assert entropy(seen_of(values), symmetric=True)[1] == pytest.approx(1, rel=0.02)


def test_the_clipped_share_is_counted(tailed):
    share = clipped_share(seen_of(tailed), (-1.0, 2.0))
    assert share == pytest.approx(((tailed < -1) | (tailed > 2)).mean(), abs=0.003)
