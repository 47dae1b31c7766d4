"""Real inputs: photographs, and what YOLOv6Lite-s makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

STRIDES = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Sample:
    """One photograph.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        heads: Per level (84, h, w) float32: class scores, then distances in cells.
        rows: (8400, 85) float32: center, size, objectness 1, class scores, of strides 8 to 32.
        planes: (84, 8400) float32: the same, planar, without objectness.
    """

    image: np.ndarray
    heads: tuple[np.ndarray, ...]
    rows: np.ndarray
    planes: np.ndarray


def _planes(heads: tuple[np.ndarray, ...]) -> np.ndarray:
    parts = []
    for head, stride in zip(heads, STRIDES, strict=True):
        _, height, width = head.shape
        y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
        left, top, right, bottom = head[80:]
        x1, y1, x2, y2 = (x - left), (y - top), (x + right), (y + bottom)
        boxes = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) * stride
        parts.append(np.concatenate([boxes, head[:80]]).reshape(84, -1))
    return np.ascontiguousarray(np.concatenate(parts[:3], axis=1), np.float32)


def samples(shared: Path, size: int, count: int = 8) -> list[Sample]:
    """The first photographs of the validation set through the network at size x size."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    model = shared / "models" / "yolov6lite" / "yolov6-lite-s"
    if net.load_param(f"{model}.param") or net.load_model(f"{model}.bin"):
        raise RuntimeError(f"could not load {model}")
    results = []
    for path in sorted((shared / "data" / "coco" / "val").rglob("*.jpg"))[:count]:
        image = cv2.imread(str(path))
        ratio = min(size / image.shape[0], size / image.shape[1])
        small = cv2.resize(image, None, fx=ratio, fy=ratio)
        canvas = np.full((size, size, 3), 114, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = canvas[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        tensor = np.ascontiguousarray(tensor)
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(tensor))
        heads = tuple(np.array(extractor.extract(f"out{i}")[1]) for i in range(4))
        planes = _planes(heads)
        columns = np.ones((planes.shape[1], 85), np.float32)
        columns[:, :4], columns[:, 5:] = planes[:4].T, planes[4:].T
        results.append(Sample(image, heads, columns, planes))
    return results
