"""From the values of a tensor to the range that codes should cover: several opinions.

None is best everywhere, and the choice is worth many points of AP, so that a recipe tries them on
the network's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from calibration.quant.observe.histograms import Histogram
from calibration.quant.spec.spec import Range
from edge.types import AnyArray

_KL_BINS, _KL_CODES = 2048, 128
_RATIOS = np.geomspace(0.02, 1.0, 80)
_LAPLACE_8_BITS = 9.89675982  # clip in units of the mean deviation


class Observer(Protocol):
    """A way to choose."""

    def __call__(self, histogram: Histogram, *, symmetric: bool) -> Range:
        """The range to cover.

        Args:
            histogram: Values of a tensor.
            symmetric: The scheme is; else each side is chosen for itself. Either way the range
                says both sides: symmetric codes cover the greater.
        """


def min_max(histogram: Histogram, *, symmetric: bool) -> Range:
    """All that was seen."""
    del symmetric
    return _ordered(histogram.low, histogram.high)


def percentile(percent: float) -> Observer:
    """All but the outermost values: `percent` of them lie inside, half of the rest on each side."""

    def choose(histogram: Histogram, *, symmetric: bool) -> Range:
        values, counts = histogram.bins()
        if not len(values):
            return 0.0, 0.0
        if symmetric:
            order = np.argsort(np.abs(values), kind="stable")
            inside = np.abs(values[order])[_rank(counts[order], percent)]
            return _clipped(histogram, inside)
        outside = (100 - percent) / 2
        high = values[_rank(counts, 100 - outside)]
        low = values[_rank(counts, outside)]
        if histogram.low >= 0:  # nothing to cut off below
            low, high = 0.0, values[_rank(counts, percent)]
        return _ordered(low, high)

    return choose


def mse(histogram: Histogram, *, symmetric: bool) -> Range:
    """What makes the mean squared error of the values least."""
    values, counts = histogram.bins()
    if not len(values):
        return 0.0, 0.0
    if symmetric:
        limit = max(-histogram.low, histogram.high, 0.0)
        errors = [_error(values, counts, -limit * r, limit * r, 254) for r in _RATIOS]
        return _clipped(histogram, limit * float(_RATIOS[int(np.argmin(errors))]))
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):
        errors = [_error(values, counts, low, max(histogram.high, 0.0) * r, 255) for r in _RATIOS]
        high = max(histogram.high, 0.0) * float(_RATIOS[int(np.argmin(errors))])
        if histogram.low < 0:
            errors = [_error(values, counts, histogram.low * r, high, 255) for r in _RATIOS]
            low = histogram.low * float(_RATIOS[int(np.argmin(errors))])
    return low, high


def entropy(histogram: Histogram, *, symmetric: bool) -> Range:
    """What keeps the distribution of magnitudes, by Kullback and Leibler's divergence.

    Source: Migacz 2017, "8-bit inference with TensorRT". Outliers are added to the last bin of
    what is kept, and codes are spread over the bins that were not empty.
    """
    del symmetric  # it knows magnitudes alone
    values, counts = histogram.bins()
    limit = max(-histogram.low, histogram.high, 0.0)
    if not len(values) or limit == 0:
        return 0.0, 0.0
    bins = np.minimum((np.abs(values) / limit * _KL_BINS).astype(np.int64), _KL_BINS - 1)
    shares = np.bincount(bins, counts, _KL_BINS) / counts.sum()
    ends = range(_KL_CODES, _KL_BINS + 1, 4)
    losses = [_divergence(shares, end) for end in ends]
    return _clipped(histogram, limit * ends[int(np.argmin(losses))] / _KL_BINS)


def laplace(histogram: Histogram, *, symmetric: bool) -> Range:
    """The analytic optimum for values of a Laplace distribution.

    Source: Banner et al. 2018, arXiv:1810.05723 (ACIQ), for 8 bits.
    """
    values, counts = histogram.bins()
    if not len(values):
        return 0.0, 0.0
    mean = float((values * counts).sum() / counts.sum())
    spread = float((np.abs(values - mean) * counts).sum() / counts.sum())
    max_abs = _LAPLACE_8_BITS * spread
    if symmetric:
        return _clipped(histogram, abs(mean) + max_abs)
    return _ordered(max(histogram.low, mean - max_abs), min(histogram.high, mean + max_abs))


# To add one: write it, add its row.
OBSERVERS: Mapping[str, Observer] = MappingProxyType(
    {
        "min-max": min_max,
        "percentile 99.999": percentile(99.999),
        "percentile 99.99": percentile(99.99),
        "percentile 99.9": percentile(99.9),
        "mse": mse,
        "entropy": entropy,
        "laplace": laplace,
    }
)


def clipped_share(histogram: Histogram, range_: Range) -> float:
    """The share of the values that lie outside a range."""
    values, counts = histogram.bins()
    outside = (values < range_[0]) | (values > range_[1])
    return float(counts[outside].sum() / max(counts.sum(), 1.0))


def _ordered(low: float, high: float) -> Range:
    if low > high:  # nothing was seen
        return 0.0, 0.0
    return min(float(low), 0.0), max(float(high), 0.0)


def _clipped(histogram: Histogram, limit: float) -> Range:
    """What was seen, with magnitudes up to `limit`."""
    return _ordered(max(histogram.low, -limit), min(histogram.high, limit))


def _rank(counts: AnyArray, percent: float) -> int:
    """The index where so much of the counts is reached."""
    sums = np.cumsum(counts)
    return int(np.searchsorted(sums, max(1.0, sums[-1] * percent / 100)).clip(max=len(counts) - 1))


def _error(values: AnyArray, counts: AnyArray, low: float, high: float, num_steps: int) -> float:
    scale = (high - low) / num_steps
    if scale <= 0:
        return float((values**2 * counts).sum())
    rounded = np.clip(np.rint(values / scale) * scale, low, high)
    return float(((rounded - values) ** 2 * counts).sum())


def _divergence(shares: AnyArray, end: int) -> float:
    kept = shares[:end].copy()
    there = kept > 0
    code = np.arange(end) * _KL_CODES // end
    mass = np.bincount(code, kept, _KL_CODES)
    places = np.bincount(code, there, _KL_CODES)
    spread = np.where(there, (mass / np.maximum(places, 1))[code], 0)
    kept[-1] += shares[end:].sum()
    there = kept > 0
    coded = np.maximum(spread[there], 1e-9)
    return float((kept[there] * np.log(kept[there] / coded)).sum())
