"""The C++ peers and the memory readers, compiled once per run."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

_KEEP = 30_000  # detections that fit the output buffer


@cache
def library() -> ctypes.CDLL:
    """plain.cpp as a shared library: the peers as a wheel or distribution would build them."""
    return _built("plain", [])


@cache
def readers() -> ctypes.CDLL:
    """The same for this very machine, for the memory readers: the floor is as low as it gets."""
    return _built("readers", ["-march=native"])


def _built(name: str, flags: list[str]) -> ctypes.CDLL:
    folder = tempfile.mkdtemp(prefix="edge-bench-")
    out = Path(folder) / f"{name}.so"
    source = Path(__file__).with_name("plain.cpp")
    compiler = os.environ.get("CXX", "c++")
    flags = ["-O3", *flags, "-std=c++17", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(source), "-o", str(out)], check=True)
    loaded = ctypes.CDLL(str(out))
    loaded.read_f32.restype = ctypes.c_float
    return loaded


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Plain:
    """The peers with bound buffers, so that a call costs little besides the work."""

    def __init__(self) -> None:
        self.out = np.empty((_KEEP, 6), np.float32)
        self.lib = library()
        self.kept: list[np.ndarray] = []  # what the prepared calls point to

    def _prepared(self, function, *arguments) -> Callable[[], int]:
        return lambda: function(*arguments)

    def rows(self, rows: np.ndarray, threshold: float, iou: float) -> Callable[[], int]:
        n, columns = rows.shape
        return self._prepared(
            self.lib.plain_rows, _pointer(rows), n, columns - 5,
            ctypes.c_float(threshold), ctypes.c_float(iou), _pointer(self.out),
        )  # fmt: skip

    def planes(self, planes: np.ndarray, threshold: float, iou: float) -> Callable[[], int]:
        channels, n = planes.shape
        return self._prepared(
            self.lib.plain_planes, _pointer(planes), n, channels - 4,
            ctypes.c_float(threshold), ctypes.c_float(iou), _pointer(self.out),
        )  # fmt: skip

    def _levels(self, heads: Sequence[np.ndarray], strides: Sequence[int]):
        count = len(heads)
        pointers = (ctypes.c_void_p * count)(*(h.ctypes.data for h in heads))
        numbers = ctypes.c_int * count
        heights = numbers(*(h.shape[-2] for h in heads))
        widths = numbers(*(h.shape[-1] for h in heads))
        return pointers, heights, widths, numbers(*strides), count

    def distances(self, heads, strides, threshold: float, iou: float) -> Callable[[], int]:
        *levels, count = self._levels(heads, strides)
        return self._prepared(
            self.lib.plain_distances, *levels, count, heads[0].shape[0] - 4,
            ctypes.c_float(threshold), ctypes.c_float(iou), _pointer(self.out),
        )  # fmt: skip

    def anchors(self, heads, strides, anchors, threshold: float, iou: float) -> Callable[[], int]:
        *levels, count = self._levels(heads, strides)
        sizes = np.array(anchors, np.float32)
        self.kept.append(sizes)
        return self._prepared(
            self.lib.plain_anchors, *levels, _pointer(sizes), count,
            heads[0].shape[0] // 3 - 5,
            ctypes.c_float(threshold), ctypes.c_float(iou), _pointer(self.out),
        )  # fmt: skip

    def nms(self, boxes, scores, class_ids, iou: float) -> Callable[[], int]:
        return self._prepared(
            self.lib.plain_nms, _pointer(boxes), _pointer(scores), _pointer(class_ids),
            len(boxes), ctypes.c_float(iou), _pointer(self.out),
        )  # fmt: skip

    def read(self, array: np.ndarray, streams: int) -> Callable[[], float]:
        lib = readers()
        function = lib.read_f32 if array.dtype == np.float32 else lib.read_i8
        return self._prepared(function, _pointer(array), ctypes.c_long(array.size), streams)
