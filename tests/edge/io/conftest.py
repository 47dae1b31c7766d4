from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.types import Detections, Frame, Latency, Result

Save = Callable[..., Path]


@pytest.fixture
def save_image(tmp_path: Path) -> Save:
    """Writes a uniform image, under a name in the test's folder."""

    def save(name: str, color=(40, 80, 120), height: int = 24, width: int = 32) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded, data = cv2.imencode(path.suffix, np.full((height, width, 3), color, np.uint8))
        assert encoded
        path.write_bytes(data)
        return path

    return save


@pytest.fixture
def save_video(tmp_path: Path) -> Save:
    """Writes a video whose frames get lighter: frame i is uniformly 20 * i."""

    def save(name: str, frames: int = 10, rate: float = 10.0, codec: str | None = None) -> Path:
        path = tmp_path / name
        codec = codec or {".avi": "MJPG"}.get(path.suffix, "mp4v")
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, (64, 48))
        assert writer.isOpened()
        for level in range(frames):
            writer.write(np.full((48, 64, 3), 20 * level, np.uint8))
        writer.release()
        return path

    return save


@pytest.fixture
def result() -> Callable[..., Result]:
    """A result of one detection in a gray image."""

    def make(
        source: str = "photo.jpg",
        index: int = 0,
        time: float = 0.0,
        height: int = 100,
        width: int = 200,
        box=(20.0, 30.0, 120.5, 80.25),
        score: float = 0.87,
        class_id: int = 0,
    ) -> Result:
        image = np.full((height, width, 3), 128, np.uint8)
        detections = Detections(
            np.array([box], np.float32),
            np.array([score], np.float32),
            np.array([class_id], np.int32),
        )
        frame = Frame((image,), "BGR", index, time, source)
        return Result(frame, detections, Latency(0.001, 0.0205, 0.0005))

    return make
