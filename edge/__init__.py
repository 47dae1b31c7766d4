"""YOLO detectors on Raspberry Pi and Jetson: INT8, fast, no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edge.version import __version__

if TYPE_CHECKING:
    from edge.detector import Detector
    from edge.errors import EdgeError
    from edge.models.base import ModelSpec
    from edge.types import Detections, Frame, Letterbox, Size

__all__ = [
    "Detections",
    "Detector",
    "EdgeError",
    "Frame",
    "Letterbox",
    "ModelSpec",
    "Size",
    "__version__",
]

# Imported when first used: where NumPy or the kernels do not load, `edge doctor` can still say so.
_HOMES = {
    "Detections": "edge.types",
    "Detector": "edge.detector",
    "EdgeError": "edge.errors",
    "Frame": "edge.types",
    "Letterbox": "edge.types",
    "ModelSpec": "edge.models.base",
    "Size": "edge.types",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
