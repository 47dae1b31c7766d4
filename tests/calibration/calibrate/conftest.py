"""A trained network, and images on which it finds something without the shared data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

BCCD = Path(__file__).resolve().parents[2] / "models" / "bccd-yolov6n.edge"


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


def smear(seed: int) -> np.ndarray:
    """Discs as pale and red as cells under a microscope, on their background."""
    import cv2

    random = np.random.default_rng(seed)
    image = np.full((320, 320, 3), (214, 216, 222), np.uint8)
    for _ in range(14):
        x, y = (int(v) for v in random.integers(20, 300, 2))
        radius = int(random.integers(20, 28))
        cv2.circle(image, (x, y), radius, (150, 150, 196), -1)
        cv2.circle(image, (x, y), radius // 3, (185, 188, 214), -1)
    x, y = (int(v) for v in random.integers(60, 260, 2))
    cv2.circle(image, (x, y), 34, (170, 90, 120), -1)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    noise = random.normal(0, 3, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)
