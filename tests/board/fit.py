"""Milliseconds of a board fitted to what is counted, and how far such an estimate is off.

Time is a sum of costs, each with a weight that is not negative; the weights are the ones with the
least squared relative error on the published times. A network is judged by a fit to all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Count = Mapping[str, float]
HELD_BACK = 5


def held_back(names: Iterable[str]) -> frozenset[str]:
    """The networks that no choice may look at: the five whose names have the least SHA-256."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return frozenset(ordered[:HELD_BACK])


def weights(costs: Array, ms: Array) -> Array:
    """Non-negative weights with the least squared relative error; `costs` is (networks, costs).

    Tries every subset of the costs: the optimum is the best of those whose weights are positive.
    """
    relative = costs / ms[:, None]
    best, best_error = np.zeros(costs.shape[1]), float("inf")
    for size in range(1, costs.shape[1] + 1):
        for chosen in map(list, combinations(range(costs.shape[1]), size)):
            solved = np.linalg.lstsq(relative[:, chosen], np.ones(len(ms)), rcond=None)[0]
            error = float(((relative[:, chosen] @ solved - 1) ** 2).sum())
            if error < best_error and (solved >= 0).all():
                best, best_error = np.zeros(costs.shape[1]), error
                best[chosen] = solved
    return best


@dataclass(frozen=True, slots=True)
class Errors:
    """How estimates compare with what was measured.

    Attributes:
        ratios: Estimated / measured, by network.
    """

    ratios: Mapping[str, float]

    def subset(self, names: Iterable[str]) -> Errors:
        """Of these networks alone."""
        return Errors({name: self.ratios[name] for name in names if name in self.ratios})

    @property
    def median(self) -> float:
        """Of the absolute relative errors."""
        return float(np.median(self._absolute))

    @property
    def p90(self) -> float:
        """The ninetieth percentile of the absolute relative errors."""
        return float(np.quantile(self._absolute, 0.9))

    @property
    def _absolute(self) -> Array:
        return np.abs(np.array(list(self.ratios.values())) - 1)
