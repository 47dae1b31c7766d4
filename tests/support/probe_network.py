"""Writes the network with which `edge doctor` tries each runtime, as each runtime takes it.

    PYTHONPATH=tests/support python tests/support/probe_network.py

Small, and yet through the inner loops that differ between CPUs: a convolution with a step, a
plain 3x3 one that runtimes turn into another algorithm, one by channel, 1x1 ones that are matrix
products, a pool, an upsampling, a sum. What it computes on the image that doctor feeds is kept
beside it, as ONNX's reference evaluator has it: plain NumPy, no runtime.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from onnx.reference import ReferenceEvaluator
from operator_cases import Builder

from calibration.emit import EMITTERS, emitter
from calibration.frontends.onnx import read
from calibration.frontends.simplify import simplify
from edge.doctor import probe


def network() -> bytes:
    """The ONNX file, from "images" (1, 3, 32, 32) to "found" (1, 8, 16, 16)."""
    b = Builder(seed=7)
    near = {"pads": (1, 1, 1, 1)}
    x = b.op("Relu", b.conv("images", 3, 16, 3, strides=(2, 2), **near))
    y = b.op("Relu", b.conv(x, 16, 16, 3, **near))
    y = b.op("Relu", b.conv(y, 16, 16, 3, group=16, **near))
    y = b.conv(y, 16, 16)
    y = b.op("Mul", y, b.op("Sigmoid", y))
    y = b.op("MaxPool", b.op("Add", x, y), kernel_shape=(2, 2), strides=(2, 2))
    y = b.op("Resize", y, "", np.array([1, 1, 2, 2], np.float32), mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    return b.model([b.conv(b.op("Concat", x, y, axis=1), 32, 8, name="found")], (1, 3, 32, 32))


def files(backends: Iterable[str] = EMITTERS) -> dict[str, bytes]:
    """Every file of `edge.doctor.probe.FOLDER`, by name."""
    content = network()
    graph = simplify(read(content).graph)
    made = {
        f"probe.{suffix}": data
        for backend in backends
        for suffix, data in emitter(backend)(graph).items()
    }
    (result,) = ReferenceEvaluator(content).run(None, {"images": probe.image()})
    expected = io.BytesIO()
    np.save(expected, result.astype(np.float32), allow_pickle=False)
    return {**made, "found.npy": expected.getvalue()}


if __name__ == "__main__":
    probe.FOLDER.mkdir(exist_ok=True)
    for name, data in files().items():
        (probe.FOLDER / name).write_bytes(data)
