"""YOLO detectors on Raspberry Pi and Jetson: INT8, fast, no torch."""

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
__version__ = "0.1.0"
