"""YOLO detectors on Raspberry Pi and Jetson: INT8, fast, no torch."""

from edge.detector import Detector
from edge.errors import EdgeError
from edge.models.base import ModelSpec
from edge.types import Detections, Frame, Letterbox, Size
from edge.version import __version__

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
