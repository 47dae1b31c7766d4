"""ONNX Runtime, imported so that it tells nobody: everything here imports it from this module.

Its wheel 1.32.0 for Linux writes an identifier of the machine and a queue of events into the home
folder the moment it is imported, unless the environment forbids it.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # noqa: TID251 - after the line above

__all__ = ["onnxruntime"]
