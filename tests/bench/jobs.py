"""What is compared with what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from edge import ops
from edge.types import Frame, Letterbox, Size, Tensor
from tests.bench import peers
from tests.bench.data import STRIDES, Sample, samples
from tests.bench.measure import Call, Comparison, compare
from tests.bench.native import Plain

IOU = 0.45


def _present(calls: dict[str, Call | None]) -> dict[str, Call]:
    return {name: call for name, call in calls.items() if call is not None}


def _floor(plain: Plain, array: np.ndarray) -> dict[str, Call]:
    return {f"read, {n} streams": plain.read(array, n) for n in (1, 2, 4, 8)}


def _then_nms(decode, nms=peers.numpy_nms):
    boxes, scores, ids = decode
    return peers.by_class(nms, boxes, scores, ids, IOU)


def _ours(candidates) -> object:
    return ops.nms(candidates.boxes, candidates.scores, candidates.class_ids, iou_threshold=IOU)


def rows(results: list[Sample], plain: Plain, threshold: float) -> list[dict[str, Call]]:
    numba = peers.numba_nms()
    return [
        _present({
            "edge": lambda r=s.rows: _ours(
                ops.decode_rows(Tensor(r), objectness=True, score_threshold=threshold)
            ),
            "NumPy": lambda r=s.rows: _then_nms(peers.numpy_rows(r, threshold)),
            "numba": numba and (
                lambda r=s.rows: _then_nms(peers.numpy_rows(r, threshold), numba)
            ),
            "plain C++": plain.rows(s.rows, threshold, IOU),
        })
        for s in results
    ]  # fmt: skip


def planes(results: list[Sample], plain: Plain, threshold: float) -> list[dict[str, Call]]:
    numba, torch = peers.numba_nms(), peers.torch_nms()
    graph = peers.onnx_nms(threshold, IOU)

    def opencv(values: np.ndarray) -> object:
        boxes, scores, ids = peers.numpy_planes(values, threshold)
        return peers.opencv_nms(boxes, scores, ids, IOU)

    return [
        _present({
            "edge": lambda p=s.planes: _ours(
                ops.decode_rows(Tensor(p.T), objectness=False, score_threshold=threshold)
            ),
            "NumPy": lambda p=s.planes: _then_nms(peers.numpy_planes(p, threshold)),
            "numba": numba and (
                lambda p=s.planes: _then_nms(peers.numpy_planes(p, threshold), numba)
            ),
            "torch": torch and (
                lambda p=s.planes: _then_nms(peers.numpy_planes(p, threshold), torch)
            ),
            "cv2.NMSBoxesBatched": lambda p=s.planes: opencv(p),
            "ONNX NonMaxSuppression": graph and (lambda p=s.planes: graph(p)),
            "plain C++": plain.planes(s.planes, threshold, IOU),
        })
        for s in results
    ]  # fmt: skip


def codes_of(planes_: np.ndarray) -> tuple[np.ndarray, float, int]:
    """The planes as TFLite exports have them: boxes divided by the input size, one scale."""
    values = planes_.copy()
    values[:4] /= 640
    codes = np.clip(np.rint(values * 255) - 128, -128, 127).astype(np.int8)
    return np.ascontiguousarray(codes), 1 / 255, -128


def memory_floor(results: list[Sample], plain: Plain) -> Iterator[Comparison]:
    """Decoding alone against reading the same memory, out of the cache.

    "the call alone" decodes 16 points: what Python and its own memory cost when they are cold.
    """
    jobs = {
        "decode rows f32": [(Tensor(s.rows), s.rows, True) for s in results],
        "decode planes f32": [(Tensor(s.planes.T), s.planes, False) for s in results],
    }
    quantized = [codes_of(s.planes) for s in results]
    jobs["decode planes i8"] = [(Tensor(c.T, scale, z), c, False) for c, scale, z in quantized]

    def decode(tensor: Tensor, objectness: bool) -> Call:
        return lambda: ops.decode_rows(tensor, objectness=objectness, score_threshold=0.25)

    for job, inputs in jobs.items():
        cases = [
            {
                "edge": decode(tensor, objectness),
                "the call alone": decode(replace(tensor, values=tensor.values[:16]), objectness),
                **_floor(plain, memory),
            }
            for tensor, memory, objectness in inputs
        ]
        yield compare(job, cases, cache="evicted", rounds=120)


def codes(results: list[Sample]) -> list[dict[str, Call]]:
    cases = []
    for sample in results:
        values, scale, zero = codes_of(sample.planes)
        tensor = Tensor(values.T, scale, zero)
        cases.append({
            "edge": lambda t=tensor: _ours(
                ops.decode_rows(t, objectness=False, score_threshold=0.25)
            ),
            "dequantize + NumPy": lambda v=values: _then_nms(
                peers.numpy_codes(v, 1 / 255, -128, 0.25)
            ),
        })  # fmt: skip
    return cases


def distances(results: list[Sample], plain: Plain) -> list[dict[str, Call]]:
    cases = []
    for sample in results:
        tensors = [Tensor(head) for head in sample.heads]
        cases.append({
            "edge": lambda t=tensors: _ours(
                ops.decode_distances(t, strides=STRIDES, score_threshold=0.25)
            ),
            "plain C++": plain.distances(sample.heads, STRIDES, 0.25, IOU),
            "Python": lambda h=sample.heads: _then_nms(
                peers.python_distances(h, STRIDES, 0.25)
            ),
        })  # fmt: skip
    return cases


def anchor_heads(sample: Sample, seed: int) -> list[np.ndarray]:
    """The sample's scores as YOLOv7 has them: three anchors a cell, all logits.

    The first anchor carries the scores, with the best class as objectness too; the others are
    background.
    """
    rng = np.random.default_rng(seed)
    heads = []
    for head in sample.heads[:3]:
        scores = np.clip(head[:80], 1e-6, 1 - 1e-6)
        values = rng.normal(-7, 1.5, (3, 85, *head.shape[1:])).astype(np.float32)
        values[:, :4] = rng.normal(0, 1, values[:, :4].shape)
        values[0, 4] = np.log(scores.max(0) / (1 - scores.max(0)))
        values[0, 5:] = np.log(scores / (1 - scores))
        heads.append(np.ascontiguousarray(values.reshape(255, *head.shape[1:])))
    return heads


ANCHORS = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)


def anchors(results: list[Sample], plain: Plain) -> list[dict[str, Call]]:
    cases = []
    for seed, sample in enumerate(results):
        heads = anchor_heads(sample, seed)
        tensors = [Tensor(head) for head in heads]
        cases.append({
            "edge": lambda t=tensors: _ours(
                ops.decode_anchors(t, anchors=ANCHORS, strides=STRIDES[:3], score_threshold=0.25)
            ),
            "plain C++": plain.anchors(heads, STRIDES[:3], ANCHORS, 0.25, IOU),
        })  # fmt: skip
    return cases


def crowd(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of one class in heaps, as a crowd's head gives them before suppression."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0, 640, (max(1, count // 10), 2))
    at = centers[rng.integers(0, len(centers), count)] + rng.normal(0, 4, (count, 2))
    size = rng.uniform(16, 64, (count, 2))
    boxes = np.concatenate([at - size / 2, at + size / 2], 1).astype(np.float32)
    return boxes, rng.random(count).astype(np.float32), np.zeros(count, np.int32)


def suppression(plain: Plain, count: int) -> list[dict[str, Call]]:
    fast, numba = peers.lsnms(), peers.numba_nms()
    cases = []
    for seed in range(8):
        boxes, scores, ids = crowd(count, seed)
        double = boxes.astype(np.float64), scores.astype(np.float64)
        cases.append(_present({
            "edge": lambda b=boxes, s=scores, i=ids: ops.nms(b, s, i, iou_threshold=IOU),
            "NumPy": lambda b=boxes, s=scores: peers.numpy_nms(b, s, IOU),
            "numba": numba and (lambda b=boxes, s=scores: numba(b, s, IOU)),
            "lsnms": fast and (lambda d=double: fast(d[0], d[1], IOU, 0.0)),
            "cv2.NMSBoxesBatched": lambda b=boxes, s=scores, i=ids: peers.opencv_nms(b, s, i, IOU),
            "plain C++": plain.nms(boxes, scores, ids, IOU),
        }))  # fmt: skip
    return cases


def letterbox_float(image: np.ndarray, size: int) -> list[dict[str, Call]]:
    geometry = Letterbox.fit(Size(*image.shape[:2]), Size(size, size))
    frame = Frame.of(image)
    out = np.empty((1, 3, size, size), np.float32)
    tuned = np.empty((3, size, size), np.float32)
    canvas = np.full((size, size, 3), 114, np.uint8)
    return [{
        "edge": lambda: ops.letterbox(frame, geometry, out),
        "cv2 + NumPy": lambda: peers.opencv_numpy(image, geometry),
        "hand-tuned cv2": lambda: peers.opencv_tuned(image, geometry, canvas, tuned),
        "blobFromImage": lambda: peers.blob(image, geometry),
    }]  # fmt: skip


def letterbox_uint8(image: np.ndarray, size: int) -> list[dict[str, Call]]:
    geometry = Letterbox.fit(Size(*image.shape[:2]), Size(size, size))
    frame = Frame.of(image)
    out = np.empty((3, size, size), np.uint8)
    return [{
        "edge": lambda: ops.letterbox(frame, geometry, out),
        "cv2 letterbox alone": lambda: peers.opencv_letterbox(image, geometry),
    }]  # fmt: skip


def letterbox_nv12(image: np.ndarray, size: int) -> list[dict[str, Call]]:
    height, width = image.shape[:2]
    geometry = Letterbox.fit(Size(height, width), Size(size, size))
    flat = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, chroma = flat[: height * width], flat[height * width :].reshape(2, -1)
    whole = np.concatenate([luma, chroma.T.ravel()]).reshape(height * 3 // 2, width)
    frame = Frame((whole[:height], whole[height:].reshape(height // 2, width // 2, 2)), "NV12")
    out = np.empty((size, size, 3), np.uint8)

    def opencv() -> object:
        return peers.opencv_letterbox(cv2.cvtColor(whole, cv2.COLOR_YUV2RGB_NV12), geometry)

    return [{
        "edge": lambda: ops.letterbox(frame, geometry, out, layout="NHWC"),
        "cv2 convert + letterbox": opencv,
    }]  # fmt: skip


def run(shared: Path, only: str = "") -> Iterator[Comparison]:
    """All jobs whose name contains `only`, one after the other."""
    plain = Plain()

    def expected(job: str) -> bool:
        return only in job

    if any(expected(job) for job in ("decode", "heads", "rows", "planes")):
        large = samples(shared, 640)
        for threshold, rounds in ((0.25, 80), (0.03, 40), (0.001, 16)):
            if expected("decode"):
                job = f"decode rows 8400x85 + NMS, {threshold}"
                yield compare(job, rows(large, plain, threshold), rounds=rounds)
                job = f"decode planes 84x8400 + NMS, {threshold}"
                yield compare(job, planes(large, plain, threshold), rounds=rounds)
        if expected("decode"):
            yield from memory_floor(large, plain)
            yield compare("decode planes i8 + NMS, 0.25", codes(large))
        if expected("heads"):
            yield compare("YOLOv7 heads 640 + NMS, 0.25", anchors(large, plain))
            small = samples(shared, 320)
            yield compare("YOLOv6Lite heads 320 + NMS, 0.25", distances(small, plain))
    if expected("NMS"):
        yield compare("NMS of 3000 crowd boxes", suppression(plain, 3000), rounds=24)
        yield compare("NMS of 100 boxes", suppression(plain, 100))
        yield compare("NMS of 10 boxes", suppression(plain, 10))
    if expected("letterbox"):
        photograph = cv2.imread(str(min((shared / "data/coco/val").rglob("*.jpg"))))
        for height, width in ((480, 640), (720, 1280), (1080, 1920)):
            image = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_CUBIC)
            for size in (320, 416, 640):
                name = f"{width}x{height} to {size}"
                yield compare(f"letterbox f32 CHW {name}", letterbox_float(image, size))
                yield compare(f"letterbox u8 CHW {name}", letterbox_uint8(image, size))
                yield compare(f"letterbox NV12 u8 {name}", letterbox_nv12(image, size))
