"""Imports, one after the other, between the marks that count.c counts between.

Called by `tests/arm/count`; prints names as instructions.py does.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module

NAMES = {"import edge": "edge", "NumPy": "numpy", "Detector": "edge.detector", "ncnn": "ncnn"}

if __name__ == "__main__":
    mark = ctypes.CDLL(sys.argv[1])
    mark.start()
    mark.stop()
    print("nothing")
    for name, module in NAMES.items():
        mark.start()
        import_module(module)
        mark.stop()
        print(name)
