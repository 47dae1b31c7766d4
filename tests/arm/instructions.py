"""Runs every kernel, or one inference, between the marks that count.c counts between.

Called by `tests/arm/count`. Prints the names, one a line, in the order of the lines that the
plugin writes. Each is run once before it is counted. The first, "nothing", is what the marks and
the call of a function cost.
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
from kernels import counted, fractions, noise, pixels

from edge import Detector, ops

Work = Callable[[], object]


def kernels(target: str) -> Iterator[tuple[str, Work]]:
    """Every case on a SIMD target."""
    for name, prepare in counted().items():
        yield name, partial(prepare(), target)


def opencv() -> Iterator[tuple[str, Work]]:
    """The jobs of "letterbox BGR 500x375" and "nms 2000" as one writes them with OpenCV."""
    image = pixels(0, 375, 500, 3)

    def letterbox() -> object:
        small = cv2.resize(image, (320, 240), interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(small, 40, 40, 0, 0, cv2.BORDER_CONSTANT, value=(114,) * 3)
        return cv2.dnn.blobFromImage(padded, 1 / 255, swapRB=True)

    yield "letterbox BGR 500x375", letterbox
    # The same boxes as counted()["nms 2000"]; OpenCV wants corner and size.
    corner, side = fractions(31, 2000, 2) * 256, fractions(32, 2000, 2) * 64
    boxes = np.concatenate([corner, side], axis=1)
    scores = (noise(33, 2000) >> np.uint32(22)).astype(np.float32)
    classes = (noise(34, 2000) >> np.uint32(30)).astype(np.int32)
    yield "nms 2000", partial(cv2.dnn.NMSBoxesBatched, boxes, scores, classes, 0.0, 0.45)


def inference(model: str, backend: str | None, precision: Any) -> Iterator[tuple[str, Work]]:
    """One inference, without what comes before and after."""
    detector = Detector.load(model, backend=backend, precision=precision, threads=1)
    detector.backend.input_view()[:] = 0.5
    yield detector.backend.precision, detector.backend.run


def without_winograd() -> None:
    """Make ncnn convolve directly: Winograd's algorithm saves multiplications of floats."""
    import ncnn

    class Direct(ncnn.Net):
        def __init__(self) -> None:
            super().__init__()
            self.opt.use_winograd_convolution = False

    ncnn.Net = Direct


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mark", help="library made of mark.c")
    parser.add_argument("what", choices=("kernels", "scalar", "opencv", "inference"))
    parser.add_argument("--model")
    parser.add_argument("--backend")
    parser.add_argument("--precision")
    parser.add_argument("--no-winograd", action="store_true", help="of ncnn")
    args = parser.parse_args()
    if args.no_winograd:
        without_winograd()
    cv2.setNumThreads(1)
    mark = ctypes.CDLL(args.mark)
    made = {
        "kernels": partial(kernels, ops.target()),
        "scalar": partial(kernels, "scalar"),
        "opencv": opencv,
        "inference": partial(inference, args.model, args.backend, args.precision),
    }
    for name, work in [("nothing", lambda: None), *made[args.what]()]:
        work()
        mark.start()
        work()
        mark.stop()
        print(name)
