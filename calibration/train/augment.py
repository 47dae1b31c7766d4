"""What is done to images before the network sees them, in NumPy and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.checkpoints.training_recipe import Augment
from edge.types import Float32Array, Int32Array, UInt8Array

PAD = 114
SEEN = 0.2  # an object of which less than this share of its box is left is none
SMALLEST = 2.0  # pixels; likewise


@dataclass(frozen=True, slots=True)
class Image:
    """An image and the objects in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 corners in pixels of it.
        class_ids: (N,) int32.
    """

    image: UInt8Array
    boxes: Float32Array
    class_ids: Int32Array


@dataclass(frozen=True, slots=True)
class Placing:
    """Where an image goes: a pixel (x, y) of it to (x * scale + left, y * scale + top).

    Attributes:
        scale: Pixels of the canvas per pixel of the image.
        left: Of the image's left edge on the canvas; may lie outside.
        top: Of its upper edge.
        window: left, top, right, bottom on the canvas; nothing is drawn outside.
    """

    scale: float
    left: int
    top: int
    window: tuple[int, int, int, int]


def compose(size: int, images: Sequence[Image], placings: Sequence[Placing]) -> Image:
    """Images on a gray canvas of size x size, and what can still be seen of their objects."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    boxes, class_ids = [], []
    for image, placing in zip(images, placings, strict=True):
        _draw(canvas, image.image, placing)
        left, top, right, bottom = placing.window
        offset = np.array([placing.left, placing.top] * 2, np.float32)
        moved = image.boxes * np.float32(placing.scale) + offset
        cut = moved.copy()
        cut[:, 0::2] = cut[:, 0::2].clip(max(left, 0), min(right, size))
        cut[:, 1::2] = cut[:, 1::2].clip(max(top, 0), min(bottom, size))
        extent, whole = cut[:, 2:] - cut[:, :2], moved[:, 2:] - moved[:, :2]
        kept = (extent.min(axis=1, initial=np.inf) > SMALLEST) & (
            extent.prod(axis=1) > SEEN * whole.prod(axis=1)
        )
        boxes.append(cut[kept])
        class_ids.append(image.class_ids[kept])
    return Image(canvas, np.concatenate(boxes), np.concatenate(class_ids))


def _draw(canvas: UInt8Array, image: UInt8Array, placing: Placing) -> None:
    height, width = (max(1, round(side * placing.scale)) for side in image.shape[:2])
    left, top, right, bottom = placing.window
    left, right = max(left, placing.left, 0), min(right, placing.left + width, canvas.shape[1])
    top, bottom = max(top, placing.top, 0), min(bottom, placing.top + height, canvas.shape[0])
    if left >= right or top >= bottom:
        return
    interpolation = cv2.INTER_AREA if placing.scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (width, height), interpolation=interpolation)
    part = scaled[
        top - placing.top : bottom - placing.top, left - placing.left : right - placing.left
    ]
    canvas[top:bottom, left:right] = part


def mosaic_placings(
    size: int, sides: Sequence[tuple[int, int]], scales: Sequence[float], center: tuple[int, int]
) -> list[Placing]:
    """Four images around a point: each touches it with a corner and fills its quarter.

    Args:
        size: Of the canvas.
        sides: Height and width of each: upper left, upper right, lower left, lower right.
        scales: Of each.
        center: x, y on the canvas.

    Source: Bochkovskiy et al. 2020, arXiv:2004.10934, section 3.3.
    """
    x, y = center
    placings = []
    for i, ((height, width), scale) in enumerate(zip(sides, scales, strict=True)):
        on_left, on_top = i % 2 == 0, i < 2
        left = x - max(1, round(width * scale)) if on_left else x
        top = y - max(1, round(height * scale)) if on_top else y
        window = (
            0 if on_left else x,
            0 if on_top else y,
            x if on_left else size,
            y if on_top else size,
        )
        placings.append(Placing(scale, left, top, window))
    return placings


def mosaic(
    size: int, images: Sequence[Image], augment: Augment, random: np.random.Generator
) -> Image:
    """Four images in one, each of its own size, around a point in the middle half."""
    scales = random.uniform(1 - augment.scale, 1 + augment.scale, 4)
    x, y = random.integers(size // 4, size - size // 4, 2)
    sides = [image.image.shape[:2] for image in images]
    return compose(size, images, mosaic_placings(size, sides, scales.tolist(), (int(x), int(y))))


def single(size: int, image: Image, augment: Augment, random: np.random.Generator) -> Image:
    """One image, larger or smaller and away from the middle."""
    height, width = image.image.shape[:2]
    fit = size / max(height, width)
    scale = fit * random.uniform(1 - augment.scale, 1 + augment.scale)
    move = random.uniform(-augment.shift, augment.shift, 2) * size
    left = round((size - width * scale) / 2 + move[0])
    top = round((size - height * scale) / 2 + move[1])
    return compose(size, [image], [Placing(scale, left, top, (0, 0, size, size))])


def flip(labeled: Image, *, horizontal: bool, vertical: bool) -> Image:
    """The image and its boxes, mirrored."""
    image, boxes = labeled.image, labeled.boxes.copy()
    height, width = image.shape[:2]
    if horizontal:
        image = image[:, ::-1]
        boxes[:, 0::2] = width - boxes[:, 2::-2]
    if vertical:
        image = image[::-1]
        boxes[:, 1::2] = height - boxes[:, 3::-2]
    return Image(np.ascontiguousarray(image), boxes, labeled.class_ids)


def recolor(image: UInt8Array, augment: Augment, random: np.random.Generator) -> UInt8Array:
    """Another hue, saturation and brightness: a new image."""
    hue, saturation, value = random.uniform(-1, 1, 3) * (
        augment.hue,
        augment.saturation,
        augment.value,
    )
    level = np.arange(256)
    tables = np.stack(
        [
            (level + hue * 180) % 180,  # OpenCV's circle of hues has 180 steps
            (level * (1 + saturation)).clip(0, 255),
            (level * (1 + value)).clip(0, 255),
        ],
        axis=-1,
    ).astype(np.uint8)
    channels = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), tables[None])
    changed: UInt8Array = cv2.cvtColor(channels, cv2.COLOR_HSV2RGB)
    return changed


def augmented(
    size: int, images: Sequence[Image], augment: Augment, random: np.random.Generator
) -> Image:
    """A training image of size x size: from four a mosaic, from one a single."""
    joined = (
        mosaic(size, images, augment, random)
        if len(images) == 4
        else single(size, images[0], augment, random)
    )
    horizontal, vertical = random.random(2) < (augment.flip_horizontal, augment.flip_vertical)
    turned = flip(joined, horizontal=bool(horizontal), vertical=bool(vertical))
    return Image(recolor(turned.image, augment, random), turned.boxes, turned.class_ids)
