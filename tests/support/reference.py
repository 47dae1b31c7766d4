"""Plain NumPy twins of the kernels: short, slow, and the definition that the kernels must equal.

All arithmetic is float32 in the order of the kernels, so results are compared with `==`; only
where an exponential takes part (`sigmoid`, softmax) do the last bits differ.
"""

from __future__ import annotations

import numpy as np

F = np.float32


# --- Letterbox ----------------------------------------------------------------------------------


def _taps(source: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower tap and fraction of each sample, half-pixel centers."""
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


def softmax(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp((x - np.nanmax(x, axis=-1, keepdims=True)).astype(np.float64))
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(F)


def select(
    scores, objectness, boxes, *, threshold, multi_label=False, activation="none", sqrt=False,
    background=None,
):  # fmt: skip
    """Scores (N, C), objectness (N,) or None, boxes (N, 4) -> boxes, scores, class_ids."""
    threshold = F(threshold)
    activate = sigmoid if activation == "sigmoid" else lambda x: x
    bar = threshold * threshold if sqrt else threshold
    results = []
    for i, row in enumerate(scores):
        quality = F(1)
        if objectness is not None:
            quality = activate(objectness[i : i + 1])[0]
            if not quality > bar:
                continue
        foreground = {"first": row[1:], "last": row[:-1], None: row}[background]
        if np.isnan(foreground).all():
            continue
        ready = activate(foreground)
        if activation == "softmax":
            ready = softmax(row)
            ready = {"first": ready[1:], "last": ready[:-1], None: ready}[background]
        classes = range(len(foreground)) if multi_label else [int(np.nanargmax(foreground))]
        for c in classes:
            with np.errstate(invalid="ignore", over="ignore"):
                score = ready[c] * quality
                score = np.sqrt(score) if sqrt else score
            if score > threshold and np.isfinite(score) and np.isfinite(boxes[i]).all():
                results.append((boxes[i], score, c))
    return (
        np.array([f[0] for f in results], F).reshape(-1, 4),
        np.array([f[1] for f in results], F),
        np.array([f[2] for f in results], np.int32),
    )


def best(result, limit):
    """The best `limit` of boxes, scores, class_ids, the earlier first among equals."""
    order = np.argsort(-result[1], kind="stable")[:limit]
    return tuple(column[order] for column in result)


def from_center(boxes: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        half = boxes[:, 2:] * F(0.5)
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def decode_rows(rows, *, objectness, score_threshold, multi_label=False, corners=False):
    values = real(rows)
    boxes = values[:, :4] if corners else from_center(values[:, :4])
    quality = values[:, 4] if objectness else None
    scores = values[:, 5 if objectness else 4 :]
    return select(scores, quality, boxes, threshold=score_threshold, multi_label=multi_label)


def decode_boxes(
    scores, boxes, *, score_threshold, multi_label=False, activation="none", background=None,
    corners=False, scale=(1, 1), priors=None, variances=(0.1, 0.2), limit=None,
):  # fmt: skip
    values = real(boxes)
    with np.errstate(over="ignore", invalid="ignore"):
        if priors is not None:
            center = values[:, :2] * F(variances[0]) * priors[:, 2:] + priors[:, :2]
            size = np.exp((values[:, 2:] * F(variances[1])).astype(np.float64)).astype(F)
            values = np.concatenate([center, size * priors[:, 2:]], axis=1)
        values = values * np.array([*scale, *scale], F)
    result = select(
        real(scores), None, values if corners else from_center(values), threshold=score_threshold,
        multi_label=multi_label, activation=activation, background=background,
    )  # fmt: skip
    return result if limit is None else best(result, limit)


def decode_end2end(boxes, scores, class_ids, *, score_threshold, corners=True, scale=(1, 1)):
    with np.errstate(over="ignore", invalid="ignore"):
        values = real(boxes) * np.array([*scale, *scale], F)
    rows = values if corners else from_center(values)
    good = real(scores) > F(score_threshold)
    good &= np.isfinite(real(scores)) & np.isfinite(rows).all(axis=1) & (class_ids >= 0)
    return rows[good], real(scores)[good], class_ids[good].astype(np.int32)


def points(height: int, width: int, offset: float) -> np.ndarray:
    """(H * W, 2) x, y of the cells' points, in cells."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(F) + F(offset)


def expectation(logits: np.ndarray) -> np.ndarray:
    """(N, 4, bins) -> (N, 4): the mean of the softmax."""
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp((logits - logits.max(axis=2, keepdims=True)).astype(np.float64))
        return (weights @ np.arange(logits.shape[2]) / weights.sum(axis=2)).astype(F)


def flat(values: np.ndarray) -> np.ndarray:
    """(C, H, W) -> (H * W, C)"""
    return values.reshape(len(values), -1).T


def joined(parts):
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def decode_distances(
    heads, *, strides, score_threshold, multi_label=False, logits=False, bins=1, offset=0.5,
    boxes=None, centerness=None, sqrt=False, in_pixels=False,
):  # fmt: skip
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
        center = points(height, width, offset)
        with np.errstate(invalid="ignore", over="ignore"):
            if in_pixels:
                center = center * F(stride)
            corners = [center - distances[:, :2], center + distances[:, 2:]]
            corners = np.concatenate(corners, axis=1) * F(1 if in_pixels else stride)
        result = select(
            flat(scores), None if centerness is None else flat(real(centerness[i]))[:, 0], corners,
            threshold=score_threshold, multi_label=multi_label,
            activation="sigmoid" if logits else "none", sqrt=sqrt,
        )  # fmt: skip
        parts.append(result)
    return joined(parts)


def _cells(head, objectness: bool, stride, boxes_of, **options):
    """One grid of x, y, w, h, [objectness,] classes; `boxes_of` gets (N, 4) and the cells."""
    table = flat(head)
    with np.errstate(invalid="ignore", over="ignore"):
        boxes = from_center(boxes_of(table[:, :4], points(*head.shape[1:], 0), F(stride)))
    quality = table[:, 4] if objectness else None
    return select(table[:, 5 if objectness else 4 :], quality, boxes, **options)


def decode_centers(heads, *, strides, score_threshold, multi_label=False, logits=False):
    def boxes_of(raw, cells, stride):
        size = np.exp(raw[:, 2:].astype(np.float64)).astype(F)
        return np.concatenate([raw[:, :2] + cells, size], axis=1) * stride

    options = {"threshold": score_threshold, "multi_label": multi_label}
    options["activation"] = "sigmoid" if logits else "none"
    return joined(
        _cells(real(head), True, stride, boxes_of, **options)
        for head, stride in zip(heads, strides, strict=True)
    )


def decode_anchors(
    heads,
    *,
    anchors,
    strides,
    score_threshold,
    multi_label=False,
    logits=True,
    objectness=True,
    spreads=None,
    exponential=False,
):
    options = {"threshold": score_threshold, "multi_label": multi_label}
    options["activation"] = "sigmoid" if logits else "none"
    parts = []
    spreads = (2,) * len(strides) if spreads is None else spreads
    for head, sizes, stride, over in zip(heads, anchors, strides, spreads, strict=True):
        values, spread = real(head), F(over)
        height, width = values.shape[-2:]
        for one, anchor in zip(values.reshape(len(sizes), -1, height, width), sizes, strict=True):

            def boxes_of(raw, cells, stride, anchor=anchor, spread=spread):
                active = sigmoid(raw) if logits else raw
                center = (active[:, :2] * spread - (spread - F(1)) / F(2) + cells) * stride
                growth = (active[:, 2:] * F(2)) ** 2
                if exponential:
                    growth = np.exp(raw[:, 2:].astype(np.float64)).astype(F)
                return np.concatenate([center, growth * np.array(anchor, F)], axis=1)

            parts.append(_cells(one, objectness, stride, boxes_of, **options))
    return joined(parts)


def decode_peaks(heat, sizes, offsets=None, *, stride, score_threshold, logits=False, limit=100):
    values = real(heat)
    count, height, width = values.shape
    padded = np.full((count, height + 2, width + 2), -np.inf, F)
    padded[:, 1:-1, 1:-1] = values
    beaten = np.zeros(values.shape, bool)
    for y in range(3):
        for x in range(3):
            beaten |= padded[:, y : y + height, x : x + width] > values
    place = F(0.5) if offsets is None else flat(real(offsets))
    with np.errstate(invalid="ignore", over="ignore"):
        center = (points(height, width, 0) + place) * F(stride)
        size = flat(real(sizes)) * F(stride)
        boxes = from_center(np.concatenate([center, size], axis=1))
    parts = []
    for c in range(count):
        scores = np.where(beaten[c], F(np.nan), values[c]).reshape(-1, 1)
        activation = "sigmoid" if logits else "none"
        result = select(scores, None, boxes, threshold=score_threshold, activation=activation)
        parts.append((*result[:2], np.full(len(result[1]), c, np.int32)))
    return joined(parts) if limit is None else best(joined(parts), limit)


# --- Suppression --------------------------------------------------------------------------------


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    with np.errstate(over="ignore", invalid="ignore"):
        w = min(a[2], b[2]) - max(a[0], b[0])
        h = min(a[3], b[3]) - max(a[1], b[1])
        if not (w > 0 and h > 0):
            return F(0)
        overlap = w * h
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
        ratio = overlap / union
        return ratio if ratio == ratio else F(0)  # areas may be infinite


def by_score(boxes, scores, top_k=None) -> list[int]:
    usable = np.isfinite(scores) & np.isfinite(boxes).all(axis=1)
    order = [int(i) for i in np.argsort(-scores, kind="stable") if usable[i]]
    return order[:top_k]


def nms(
    boxes, scores, class_ids, *, iou_threshold=0.45, max_detections=None, top_k=None,
    class_agnostic=False,
):  # fmt: skip
    kept: list[int] = []
    for i in by_score(boxes, scores, top_k):
        if max_detections is not None and len(kept) >= max_detections:
            break
        same = [j for j in kept if class_agnostic or class_ids[j] == class_ids[i]]
        if not any(iou(boxes[i], boxes[j]) > F(iou_threshold) for j in same):
            kept.append(i)
    return np.array(kept, np.int32)


def soft_nms(
    boxes, scores, class_ids, *, decay="gaussian", sigma=0.5, iou_threshold=0.3,
    score_threshold=0.001, class_agnostic=False,
):  # fmt: skip
    open_ = by_score(boxes, scores)
    current = scores.copy()
    indices, lowered = [], []
    while open_:
        i = min(open_, key=lambda j: (-current[j], j))
        if not current[i] > F(score_threshold):
            break
        open_.remove(i)
        indices.append(i)
        lowered.append(current[i])
        for j in open_:
            if not class_agnostic and class_ids[i] != class_ids[j]:
                continue
            overlap = iou(boxes[i], boxes[j])
            if not overlap > 0:
                continue
            if decay == "gaussian":
                current[j] *= F(np.exp(np.float64(-(overlap * overlap) / F(sigma))))
            elif overlap > F(iou_threshold):
                current[j] *= F(1) - overlap
    return np.array(indices, np.int32), np.array(lowered, F)


def merge(boxes, scores, class_ids, *, iou_threshold=0.55, class_agnostic=False):
    clusters: list[dict] = []
    for i in by_score(boxes, scores):
        if not scores[i] > 0:
            break
        limit, nearest = F(iou_threshold), None
        for cluster in clusters:
            if class_agnostic or cluster["id"] == class_ids[i]:
                overlap = iou(cluster["mean"], boxes[i])
                if overlap > limit:
                    limit, nearest = overlap, cluster
        if nearest is None:
            nearest = {"id": class_ids[i], "sum": np.zeros(4), "weight": 0.0, "count": 0}
            clusters.append(nearest)
        score = np.float64(scores[i])
        nearest["sum"] = nearest["sum"] + boxes[i].astype(np.float64) * score
        nearest["weight"] += score
        nearest["count"] += 1
        nearest["mean"] = (nearest["sum"] / nearest["weight"]).astype(F)
    results = (
        np.array([c["mean"] for c in clusters], F).reshape(-1, 4),
        np.array([c["weight"] / c["count"] for c in clusters], F),
        np.array([c["id"] for c in clusters], np.int32),
    )
    return best(results, None)
