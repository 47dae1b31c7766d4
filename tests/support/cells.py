"""A trained network that finds blood cells, and drawn smears of such."""

from __future__ import annotations

from pathlib import Path

import numpy as np

BCCD = Path(__file__).resolve().parents[1] / "models" / "bccd-yolov6n.edge"


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
