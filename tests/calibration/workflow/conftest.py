"""A trained network, and images on which it finds something without the shared data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cells import BCCD, smear


@pytest.fixture(scope="session")
def bccd() -> Path:
    """The package of a network that finds blood cells."""
    return BCCD


@pytest.fixture(scope="session")
def bccd_images() -> list[np.ndarray]:
    """Two drawn smears of cells: (320, 320, 3) uint8 BGR."""
    return [smear(seed) for seed in range(2)]


@pytest.fixture(scope="session")
def draw_smear() -> Callable[[int], np.ndarray]:
    """Draws a smear from a seed."""
    return smear
