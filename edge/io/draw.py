"""Boxes and labels on an image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.io import opencv
from edge.io.labels import label_of
from edge.types import Detections, Frame, UInt8Array

Bgr = tuple[int, int, int]

_GOLDEN = 0.618034  # hues a golden section apart: neighboring classes differ most


def annotate(frame: Frame, detections: Detections, labels: Sequence[str]) -> UInt8Array:
    """The frame's image with a box and "name 0.87" for each detection, best on top.

    OpenCV's fonts hold ASCII only before version 5, so any other character of a name is drawn
    as "?". A class without a label is drawn as its number.

    Returns:
        A new (H, W, 3) BGR image; the frame is not touched.

    Raises:
        NotInstalledError: OpenCV is not installed.
    """
    cv2 = opencv.load("drawing")
    image = bgr(frame)
    height, width = image.shape[:2]
    line = max(1, round((height + width) / 500))
    rows = zip(
        detections.boxes.tolist(),
        detections.scores.tolist(),
        detections.class_ids.tolist(),
        strict=True,
    )
    for box, score, class_id in reversed(list(rows)):
        # Whole pixels inside the exclusive edges.
        x1, y1 = (min(max(int(v), 0), n - 1) for v, n in zip(box[:2], (width, height), strict=True))
        x2, y2 = (
            min(max(int(v + 0.5) - 1, low), n - 1)
            for v, low, n in zip(box[2:], (x1, y1), (width, height), strict=True)
        )
        back = color(class_id)
        cv2.rectangle(image, (x1, y1), (x2, y2), back, line)
        _caption(cv2, image, (x1, y1), f"{label_of(class_id, labels)} {score:.2f}", back, line)
    return image


def color(class_id: int) -> Bgr:
    """A color of its own for each class, the same in every image."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN % 1, 0.85, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def bgr(frame: Frame) -> UInt8Array:
    """A frame's image as a new (H, W, 3) BGR image.

    Raises:
        NotInstalledError: OpenCV is not installed.
    """
    cv2 = opencv.load("drawing")
    first = frame.planes[0]
    image: UInt8Array
    match frame.format:
        case "BGR":
            image = first.copy()
        case "RGB":
            image = cv2.cvtColor(first, cv2.COLOR_RGB2BGR)
        case "GRAY":
            image = cv2.cvtColor(first, cv2.COLOR_GRAY2BGR)
        case "YUYV":
            image = cv2.cvtColor(first, cv2.COLOR_YUV2BGR_YUY2)
        case "NV12":
            image = cv2.cvtColorTwoPlane(first, frame.planes[1], cv2.COLOR_YUV2BGR_NV12)
        case "I420":
            chroma = np.stack(frame.planes[1:], axis=-1)
            image = cv2.cvtColorTwoPlane(first, chroma, cv2.COLOR_YUV2BGR_NV12)
    return image


def _caption(
    cv2: Any, image: UInt8Array, corner: tuple[int, int], text: str, back: Bgr, line: int
) -> None:
    """Text on a filled strip above a box, or inside it where there is no room above."""
    text = text.encode("ascii", "replace").decode()
    font, scale, stroke = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, line / 4), max(1, line // 2)
    (width, height), below = cv2.getTextSize(text, font, scale, stroke)
    width, height = width + 2 * line, height + below  # a margin of one line left and right
    x = max(0, min(corner[0], image.shape[1] - width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    cv2.rectangle(image, (x, top), (x + width - 1, top + height), back, cv2.FILLED)
    luma = 0.114 * back[0] + 0.587 * back[1] + 0.299 * back[2]  # ITU-R BT.601
    ink = (0, 0, 0) if luma > 110 else (255, 255, 255)
    cv2.putText(
        image, text, (x + line, top + height - below), font, scale, ink, stroke, cv2.LINE_AA
    )
