"""The same jobs as Python users do them today."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

# --- Suppression --------------------------------------------------------------------------------


def numpy_nms(boxes: np.ndarray, scores: np.ndarray, iou: float) -> np.ndarray:
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    order = scores.argsort()[::-1]
    kept = []
    while order.size:
        i, rest = order[0], order[1:]
        kept.append(i)
        w = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
        h = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
        overlap = np.maximum(w, 0) * np.maximum(h, 0)
        order = rest[overlap / (areas[i] + areas[rest] - overlap) <= iou]
    return np.array(kept, np.int64)


def by_class(nms: Callable, boxes, scores, ids, iou: float):
    """Class-wise suppression by shifting every class to a place of its own."""
    shifted = boxes + (ids * 4096.0).astype(np.float32)[:, None]
    return nms(shifted, scores, iou)


def opencv_nms(boxes, scores, ids, iou: float):
    sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return cv2.dnn.NMSBoxesBatched(sizes, scores, ids, 0.0, iou)


@cache
def numba_nms() -> Callable | None:
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(fastmath=False)
    def suppress(boxes, scores, iou):
        order = np.argsort(-scores)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        dropped = np.zeros(len(order), np.bool_)
        kept = np.empty(len(order), np.int64)
        count = 0
        for n in range(len(order)):
            i = order[n]
            if dropped[i]:
                continue
            kept[count] = i
            count += 1
            for m in range(n + 1, len(order)):
                j = order[m]
                if dropped[j]:
                    continue
                w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
                h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
                if w > 0 and h > 0:
                    overlap = w * h
                    if overlap / (areas[i] + areas[j] - overlap) > iou:
                        dropped[j] = True
        return kept[:count]

    return suppress


@cache
def lsnms() -> Callable | None:
    try:
        import lsnms as package
    except ImportError:
        return None
    return package.nms


@cache
def torch_nms() -> Callable | None:
    """Batched suppression in plain torch operations: torchvision has no CPU build everywhere."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)

    def suppress(boxes, scores, iou):
        b, s = torch.from_numpy(boxes), torch.from_numpy(scores)
        order = s.argsort(descending=True)
        areas = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
        kept = []
        while order.numel():
            i, order = order[0], order[1:]
            kept.append(int(i))
            low = torch.maximum(b[i, :2], b[order, :2])
            high = torch.minimum(b[i, 2:], b[order, 2:])
            overlap = (high - low).clamp(min=0).prod(1)
            order = order[overlap / (areas[i] + areas[order] - overlap) <= iou]
        return kept

    return suppress


# --- Decoding -----------------------------------------------------------------------------------


def corners(boxes: np.ndarray) -> np.ndarray:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def numpy_rows(rows: np.ndarray, threshold: float):
    rows = rows[rows[:, 4] > threshold]
    scores = rows[:, 5:] * rows[:, 4:5]
    ids = scores.argmax(1)
    best = scores[np.arange(len(ids)), ids]
    keep = best > threshold
    return corners(rows[keep, :4]), best[keep], ids[keep].astype(np.int32)


def numpy_planes(planes: np.ndarray, threshold: float):
    best = planes[4:].max(0)
    keep = np.flatnonzero(best > threshold)
    ids = planes[4:, keep].argmax(0)
    return corners(planes[:4, keep].T), best[keep], ids.astype(np.int32)


def numpy_codes(codes: np.ndarray, scale: float, zero_point: int, threshold: float):
    return numpy_planes((codes.astype(np.float32) - zero_point) * np.float32(scale), threshold)


def python_distances(heads, strides, threshold: float):
    """As the official demonstration does: every level to boxes first, then the threshold."""
    boxes, scores = [], []
    for head, stride in zip(heads, strides, strict=True):
        _, height, width = head.shape
        flat = head.reshape(84, -1).T
        y, x = np.mgrid[:height, :width]
        points = np.stack([x, y], 2).reshape(-1, 2).astype(np.float32) + 0.5
        first, last = points - flat[:, 80:82], points + flat[:, 82:84]
        size = last - first
        boxes.append(np.concatenate([(first + last) / 2, size], 1) * stride)
        scores.append(flat[:, :80])
    rows = np.concatenate(
        [np.concatenate(boxes), np.ones((sum(map(len, boxes)), 1), np.float32),
         np.concatenate(scores)], 1
    )  # fmt: skip
    return numpy_rows(rows, threshold)


# --- ONNX Runtime -------------------------------------------------------------------------------


@cache
def onnx_nms(threshold: float, iou: float) -> Callable | None:
    """A graph of NonMaxSuppression on planar outputs, as exported end to end."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        return None
    from onnx import TensorProto, helper

    def constant(name, value):
        return helper.make_node(
            "Constant", [], [name], value=onnx.numpy_helper.from_array(np.array(value), name)
        )

    graph = helper.make_graph(
        [
            constant("most", [30000]),
            constant("iou", np.array([iou], np.float32)),
            constant("least", np.array([threshold], np.float32)),
            constant("parts", [4, 80]),
            helper.make_node("Split", ["planes", "parts"], ["b", "scores"], axis=1),
            helper.make_node("Transpose", ["b"], ["boxes"], perm=[0, 2, 1]),
            helper.make_node(
                "NonMaxSuppression",
                ["boxes", "scores", "most", "iou", "least"],
                ["selected"],
                center_point_box=1,
            ),
        ],
        "nms",
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 84, None])],
        [helper.make_tensor_value_info("selected", TensorProto.INT64, [None, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda planes: session.run(None, {"planes": planes[None]})


# --- Letterbox ----------------------------------------------------------------------------------


def opencv_letterbox(image: np.ndarray, geometry) -> np.ndarray:
    inner, size = geometry.resized, geometry.input
    resized = cv2.resize(image, (inner.width, inner.height), interpolation=cv2.INTER_LINEAR)
    return cv2.copyMakeBorder(
        resized, geometry.top, size.height - inner.height - geometry.top,
        geometry.left, size.width - inner.width - geometry.left,
        cv2.BORDER_CONSTANT, value=(114, 114, 114),
    )  # fmt: skip


def opencv_numpy(image: np.ndarray, geometry) -> np.ndarray:
    """The usual line: channels reversed, transposed, contiguous, divided."""
    boxed = opencv_letterbox(image, geometry)
    tensor = np.ascontiguousarray(boxed.transpose(2, 0, 1)[::-1])
    return tensor.astype(np.float32) / 255


def opencv_tuned(image: np.ndarray, geometry, canvas: np.ndarray, out: np.ndarray) -> None:
    """By hand: buffers kept, planes split and scaled by OpenCV."""
    inner = geometry.resized
    top, left = geometry.top, geometry.left
    inside = canvas[top : top + inner.height, left : left + inner.width]
    cv2.resize(image, (inner.width, inner.height), dst=inside, interpolation=cv2.INTER_LINEAR)
    for plane, pixels in zip(out, reversed(cv2.split(canvas)), strict=True):
        np.multiply(pixels, np.float32(1 / 255), out=plane)


def blob(image: np.ndarray, geometry) -> np.ndarray:
    boxed = opencv_letterbox(image, geometry)
    return cv2.dnn.blobFromImage(boxed, 1 / 255, swapRB=True)
