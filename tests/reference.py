"""Plain NumPy twins of the kernels: short, slow, and the definition that the kernels must equal.

All arithmetic is float32 in the order of the kernels, so results are compared with `==`; only
where an exponential takes part (`sigmoid`, softmax) do the last bits differ.
"""

from __future__ import annotations

import numpy as np

F = np.float32


# --- Letterbox ----------------------------------------------------------------------------------


def _taps(source: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower tap and fraction of each sample, half-pixel centres."""
    at = ((np.arange(count) + 0.5) * (1.0 / (count / source)) - 0.5).astype(F)
    low = np.floor(at)
    return low.astype(int), (at - low).astype(F)


def _weights(part: np.ndarray, axis: int, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    shape = [1] * ndim
    shape[axis] = -1
    one = F(2048)
    first = np.rint((F(1) - part) * one).astype(np.int32)
    second = np.rint(part * one).astype(np.int32)
    return first.reshape(shape), second.reshape(shape)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, 11-bit fixed point."""
    if (height, width) == image.shape[:2]:
        return image.copy()
    wide = image.astype(np.int32)
    if (2 * height, 2 * width) == image.shape[:2]:
        total = wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]
        return ((total + 2) >> 2).astype(np.uint8)
    low, part = _taps(image.shape[1], width)
    part = np.where((low < 0) | (low >= image.shape[1] - 1), F(0), part)
    low = low.clip(0, image.shape[1] - 1)
    a, b = _weights(part, 1, image.ndim)
    high = (low + 1).clip(0, image.shape[1] - 1)
    mixed = (wide[:, low] * a + wide[:, high] * b) >> 4
    low, part = _taps(image.shape[0], height)
    a, b = _weights(part, 0, image.ndim)
    top, bottom = low.clip(0, image.shape[0] - 1), (low + 1).clip(0, image.shape[0] - 1)
    total = ((mixed[top] * a) >> 16) + ((mixed[bottom] * b) >> 16)
    return ((total + 2) >> 2).astype(np.uint8)


def letterbox(image, geometry, *, order=(2, 1, 0), pad=(114, 114, 114)) -> np.ndarray:
    """(H, W, 3) uint8 of the input's size; `order` picks the image's channels."""
    size = geometry.input
    out = np.empty((size.height, size.width, 3), np.uint8)
    out[:] = pad
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    height, width = geometry.resized.height, geometry.resized.width
    part = resize(image[..., list(order)], height, width)
    out[geometry.top : geometry.top + height, geometry.left : geometry.left + width] = part
    return out


def yuv_to_bgr(frame) -> np.ndarray:
    """(H, W, 3) of an NV12, I420 or YUYV frame: BT.601, studio range, 6 fractional bits."""
    height, width = frame.planes[0].shape[:2]
    if frame.format == "YUYV":
        quads = frame.planes[0].reshape(height, width // 2, 4)
        y, u, v = frame.planes[0][..., 0], quads[..., 1], quads[..., 3]
    else:
        y = frame.planes[0]
        u, v = frame.planes[1:] if frame.format == "I420" else np.moveaxis(frame.planes[1], 2, 0)
        u, v = (np.repeat(plane, 2, axis=0)[:height] for plane in (u, v))
    u, v = (np.repeat(plane, 2, axis=1)[:, :width].astype(np.int32) for plane in (u, v))

    def product(value, by):
        return (value * by + (1 << 14)) >> 15

    luma = product(np.maximum(y.astype(np.int32) - 16, 0) * 128, 19071) + 32
    u, v = (u - 128) * 256, (v - 128) * 256
    green = product(u, 3203) + product(v, 6660)
    bgr = np.stack([luma + product(u, 16531), luma - green, luma + product(v, 13074)], axis=2)
    return (bgr >> 6).clip(0, 255).astype(np.uint8)


def to_float(pixels, mean, scale) -> np.ndarray:
    return (pixels.astype(F) - np.array(mean, F)) * np.array(scale, F)


# --- Decoding -----------------------------------------------------------------------------------


def real(tensor) -> np.ndarray:
    """Codes to numbers."""
    if tensor.values.dtype == F:
        return tensor.values
    return (tensor.values.astype(np.int32) - tensor.zero_point).astype(F) * F(tensor.scale)


def sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return F(1) / (F(1) + np.exp(-x.astype(np.float64)).astype(F))


def select(scores, objectness, boxes, *, threshold, multi_label=False, logits=False):
    """Scores (N, C), objectness (N,) or None, boxes (N, 4) -> boxes, scores, class_ids."""
    threshold = F(threshold)
    found = []
    for i, row in enumerate(scores):
        quality = F(1)
        if objectness is not None:
            quality = sigmoid(objectness[i : i + 1])[0] if logits else objectness[i]
            if not quality > threshold:
                continue
        if multi_label:
            classes = range(len(row))
        else:
            classes = [] if np.isnan(row).all() else [int(np.nanargmax(row))]
        for c in classes:
            raw = row[c : c + 1]
            with np.errstate(invalid="ignore", over="ignore"):
                score = (sigmoid(raw) if logits else raw)[0] * quality
            if score > threshold and np.isfinite(score) and np.isfinite(boxes[i]).all():
                found.append((boxes[i], score, c))
    return (
        np.array([f[0] for f in found], F).reshape(-1, 4),
        np.array([f[1] for f in found], F),
        np.array([f[2] for f in found], np.int32),
    )


def from_centre(boxes: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        half = boxes[:, 2:] * F(0.5)
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def decode_rows(rows, *, objectness, score_threshold, multi_label=False, corners=False):
    values = real(rows)
    boxes = values[:, :4] if corners else from_centre(values[:, :4])
    quality = values[:, 4] if objectness else None
    scores = values[:, 5 if objectness else 4 :]
    return select(scores, quality, boxes, threshold=score_threshold, multi_label=multi_label)


def points(height: int, width: int, offset: float) -> np.ndarray:
    """(H * W, 2) x, y of the cells' points, in cells."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(F) + F(offset)


def expectation(logits: np.ndarray) -> np.ndarray:
    """(N, 4, bins) -> (N, 4): the mean of the softmax."""
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp((logits - logits.max(axis=2, keepdims=True)).astype(np.float64))
        return (weights @ np.arange(logits.shape[2]) / weights.sum(axis=2)).astype(F)


def decode_distances(
    heads,
    *,
    strides,
    score_threshold,
    multi_label=False,
    logits=False,
    bins=1,
    offset=0.5,
    boxes=None,
):
    parts = []
    for i, (head, stride) in enumerate(zip(heads, strides, strict=True)):
        values = real(head)
        _, height, width = values.shape
        if boxes is None:
            scores, sides = values[: -4 * bins], values[-4 * bins :]
        else:
            scores, sides = values, real(boxes[i])
        sides = sides.reshape(4, bins, -1).transpose(2, 0, 1)
        distances = sides[..., 0] if bins == 1 else expectation(sides)
        centre = points(height, width, offset)
        with np.errstate(invalid="ignore", over="ignore"):
            first, second = centre - distances[:, :2], centre + distances[:, 2:]
            corners = np.concatenate([first, second], axis=1) * F(stride)
        flat = scores.reshape(len(scores), -1).T
        parts.append(
            select(
                flat,
                None,
                corners,
                threshold=score_threshold,
                multi_label=multi_label,
                logits=logits,
            )
        )
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


# --- Suppression --------------------------------------------------------------------------------


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    with np.errstate(over="ignore", invalid="ignore"):
        w = min(a[2], b[2]) - max(a[0], b[0])
        h = min(a[3], b[3]) - max(a[1], b[1])
        if not (w > 0 and h > 0):
            return F(0)
        overlap = w * h
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
        return overlap / union


def nms(boxes, scores, class_ids, *, iou_threshold=0.45, max_detections=None, class_agnostic=False):
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for i in order:
        if max_detections is not None and len(kept) >= max_detections:
            break
        if not (np.isfinite(scores[i]) and np.isfinite(boxes[i]).all()):
            continue
        same = [j for j in kept if class_agnostic or class_ids[j] == class_ids[i]]
        if not any(iou(boxes[i], boxes[j]) > F(iou_threshold) for j in same):
            kept.append(int(i))
    return np.array(kept, np.int32)
