"""Tries one thing in a process of its own. What it imports may crash."""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from edge import child
from edge.errors import BackendError


def main() -> None:
    """Do what the task's "try" names."""
    child.answer(lambda task: TRIALS[task["try"]](task))


def _numpy(_: Mapping[str, Any]) -> dict[str, Any]:
    try:
        import numpy as np
    except ImportError as error:  # pages of advice, with the reason in the middle
        told = re.search(r"Original error was: (.+)", str(error))
        raise BackendError(told[1] if told else str(error).strip().partition("\n")[0]) from error

    np.dot(np.ones((2, 2)), np.ones((2, 2)))  # the first thing that needs its BLAS
    return {"version": np.__version__}


def _kernels(_: Mapping[str, Any]) -> dict[str, Any]:
    """Our own extension: the same picture through every SIMD target."""
    import numpy as np

    from edge import ops
    from edge.types import Frame, Letterbox, Size

    frame = Frame.of(np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3))
    results = []
    for target in ops.targets():
        out = np.empty((1, 3, 32, 32), np.float32)
        ops.letterbox(frame, Letterbox.fit(frame.size, Size(32, 32)), out, target=target)
        results.append(out.tobytes())
    return {"targets": ops.targets(), "equal": len(set(results)) == 1}


def _opencv(_: Mapping[str, Any]) -> dict[str, Any]:
    from edge.io import opencv

    cv2 = opencv.load("reading pictures")
    build = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in cv2.getBuildInformation().split("\n"))
    }
    return {
        "version": cv2.__version__,
        "path": str(cv2.__file__),
        "gstreamer": build.get("GStreamer", "NO").startswith("YES"),
        "v4l2": build.get("v4l/v4l2", "NO").startswith("YES"),
        "ffmpeg": build.get("FFMPEG", "NO").startswith("YES"),
    }


def _module(task: Mapping[str, Any]) -> dict[str, Any]:
    importlib.import_module(task["module"])
    return {}


def _backend(task: Mapping[str, Any]) -> dict[str, Any]:
    """A runtime: does it import, and does it give the right numbers?"""
    import numpy as np

    from edge.backends import open_backend
    from edge.backends.base import BackendOptions, TensorSpec
    from edge.errors import BackendNotInstalledError

    name = task["backend"]
    image = np.sin(np.arange(3 * 8 * 8, dtype=np.float32)).reshape(1, 3, 8, 8)
    weights = np.cos(np.arange(4 * 3 * 3 * 3, dtype=np.float32)).reshape(4, 3, 3, 3)
    try:
        if name not in MODELS:
            importlib.import_module(f"edge.backends.{name}")
            return {"installed": True, "right": None}
        spec = TensorSpec("image", image.shape)
        backend = open_backend(name, MODELS[name](weights), spec, ("found",), BackendOptions(1))
    except BackendNotInstalledError as error:
        return {"installed": False, "why": str(error)}
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("edge"):
            raise
        return {"installed": False, "why": str(error)}
    backend.input_view()[...] = image
    found = np.array(backend.run()[0].values).reshape(4, 6, 6)
    backend.close()
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), axis=(1, 2))
    wanted = np.maximum(np.einsum("cyxij,ocij->oyx", windows, weights), 0)
    off = float(np.abs(found - wanted).max())
    return {"installed": True, "right": off <= 0.02, "off": off}  # float16 takes its share


def _ncnn(weights: Any) -> dict[str, bytes]:
    """A 3x3 convolution from 3 to 4 channels, and ReLU."""
    lines = [
        "7767517",
        "2 2",
        "Input image 0 1 image",
        "Convolution conv 1 1 image found 0=4 1=3 5=0 6=108 9=1",
        "",
    ]
    return {
        "param": "\n".join(lines).encode(),
        "bin": struct.pack("<I", 0) + weights.astype("<f4").tobytes(),
    }


def _run(task: Mapping[str, Any]) -> dict[str, Any]:
    """What `edge run` does, for one frame."""
    from pathlib import Path

    from edge.detector import Detector
    from edge.errors import SourceError
    from edge.io.sources import open_source
    from edge.types import Failure

    found: dict[str, Any] = {}
    source = open_source(task["source"])
    try:
        item = next(iter(source), None)
        if item is None or isinstance(item, Failure):
            raise SourceError(f"no frame: {item.reason if item else 'the source is empty'}")
        found["frame"] = str(item.size)
        if task["model"] is not None:
            with Detector.load(Path(task["model"])) as detector:
                found["found"] = len(detector.run(item).found)
                found["family"] = detector.spec.family
                found["precision"] = detector.backend.precision
    finally:
        source.close()
    return found


TRIALS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "numpy": _numpy,
    "kernels": _kernels,
    "opencv": _opencv,
    "module": _module,
    "backend": _backend,
    "run": _run,
}
# Backend to the files of the probe network with given weights (4, 3, 3, 3), "image" to "found".
MODELS: Mapping[str, Callable[[Any], dict[str, bytes]]] = {"ncnn": _ncnn}
