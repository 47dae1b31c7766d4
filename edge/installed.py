"""Which versions of other people's packages are installed, without importing them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from types import MappingProxyType

# Backend to the packages that may be its runtime; whichever is installed will do.
RUNTIMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ncnn": ("ncnn",),
        "mnn": ("MNN",),
        "tflite": ("ai-edge-litert", "tflite-runtime"),
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    }
)
OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Name to version of those of the packages that are installed."""
    by_package = {name: version(name) for name in names}
    return {name: value for name, value in by_package.items() if value is not None}


def version(name: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def circumstances(backend: str) -> dict[str, str]:
    """The versions that decide how a model runs on a backend."""
    return {
        "python": platform.python_version(),
        **versions(["edge-yolo", "numpy", *RUNTIMES.get(backend, ())]),
    }
