"""Tries one thing in a process of its own. What it imports may crash."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge import child
from edge.errors import BackendError

# The probe network for every backend, and what it computes: by tests/support/probe_network.py.
FOLDER = Path(__file__).with_name("models")
# The largest difference that rounding explains, as a part of the largest value.
_TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2}


def main() -> None:
    """Do what the task's "try" names."""
    child.answer(lambda task: TRIALS[task["try"]](task))


def _numpy(_: Mapping[str, Any]) -> dict[str, Any]:
    try:
        import numpy as np
    except ImportError as error:  # pages of advice, with the reason in the middle
        reason = re.search(r"Original error was: (.+)", str(error))
        raise BackendError(
            reason[1] if reason else str(error).strip().partition("\n")[0]
        ) from error

    np.dot(np.ones((2, 2)), np.ones((2, 2)))  # the first thing that needs its BLAS
    return {"version": np.__version__}


def _kernels(_: Mapping[str, Any]) -> dict[str, Any]:
    """Our own extension: the same image through every SIMD target."""
    import numpy as np

    from edge import ops
    from edge.types import Frame, Letterbox, Size

    frame = Frame.of(np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3))
    images = []
    for target in ops.targets():
        out = np.empty((1, 3, 32, 32), np.float32)
        ops.letterbox(frame, Letterbox.fit(frame.size, Size(32, 32)), out, target=target)
        images.append(out.tobytes())
    return {"targets": ops.targets(), "equal": len(set(images)) == 1}


def _opencv(_: Mapping[str, Any]) -> dict[str, Any]:
    from edge.io import opencv

    cv2 = opencv.load("reading images")
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

    from edge.backends import BACKENDS, describe, open_backend
    from edge.backends.base import BackendOptions, TensorSpec
    from edge.errors import BackendNotInstalledError

    name = task["backend"]
    files = {suffix: (FOLDER / f"probe.{suffix}").read_bytes() for suffix in BACKENDS[name]}
    probe, expected = image(), np.load(FOLDER / "found.npy", allow_pickle=False)
    try:
        layout = describe(name, files).inputs[0].layout
    except BackendNotInstalledError as error:
        return {"installed": False, "why": str(error)}
    fed = probe.transpose(0, 2, 3, 1) if layout == "NHWC" else probe
    off = {}
    for precision in ("fp32", None):  # None: float16 where the CPU computes in it
        backend = open_backend(
            name,
            files,
            TensorSpec("images", fed.shape, layout=layout),
            ["found"],
            BackendOptions(1, precision),
        )
        backend.input_view()[...] = fed
        result = np.array(backend.run()[0].values).reshape(expected.shape)
        off[backend.precision] = float(np.abs(result - expected).max() / np.abs(expected).max())
        backend.close()
    # Compared so that a value that is no number is wrong.
    wrong = [each for each, distance in off.items() if not distance <= _TOLERANCES[each]]
    return {"installed": True, "precisions": list(off), "wrong": wrong, "off": max(off.values())}


def image() -> Any:
    """(1, 3, 32, 32) float32: what the probe network is fed."""
    import numpy as np

    return np.sin(np.arange(3 * 32 * 32)).astype(np.float32).reshape(1, 3, 32, 32)


def _run(task: Mapping[str, Any]) -> dict[str, Any]:
    """What `edge run` does, for one frame."""
    from edge.detector import Detector
    from edge.errors import SourceError
    from edge.io.sources import open_source
    from edge.types import Event, Failure

    results: dict[str, Any] = {}
    source = open_source(task["source"])
    try:
        item = next((item for item in source if not isinstance(item, Event)), None)
        if item is None or isinstance(item, Failure):
            raise SourceError(f"no frame: {item.reason if item else 'the source is empty'}")
        results["frame"] = str(item.size)
        if task["model"] is not None:
            with Detector.load(Path(task["model"])) as detector:
                results["found"] = len(detector.run(item).detections)
                results["family"] = detector.spec.family
                results["precision"] = detector.backend.precision
    finally:
        source.close()
    return results


TRIALS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "numpy": _numpy,
    "kernels": _kernels,
    "opencv": _opencv,
    "module": _module,
    "backend": _backend,
    "run": _run,
}
