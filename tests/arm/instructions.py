"""Runs every kernel, or inferences, between the marks that count.c counts between.

Called by `tests/arm/count`. Prints the names, one a line, in the order of the lines that the
plugin writes. Each is run once before it is counted. The first, "nothing", is what the marks and
the call of a function cost.
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from kernels import counted, fractions, noise, pixels

from edge import ops, package
from edge.backends import open_backend
from edge.backends.base import Backend, BackendOptions, TensorSpec

Work = Callable[[], object]
DIRECT = "-direct"  # after a precision: without Winograd's algorithm


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


def inferences(words: Sequence[str]) -> Iterator[tuple[str, Work]]:
    """One inference of each BACKEND:PRECISION[-direct]=MODEL, without what is around it."""
    for word in words:
        name, _, path = word.partition("=")
        backend, _, asked = name.partition(":")
        precision: Any = asked.removesuffix(DIRECT)
        options = BackendOptions(1, precision, winograd=precision == asked)
        opened = _opened(package.read(Path(path)), backend, options)
        if opened.precision != precision:
            raise SystemExit(f"{word}: {opened.precision} is in effect")
        opened.input_view()[:] = 0.5
        yield name, opened.run
        opened.close()


def _opened(model: package.Package, backend: str, options: BackendOptions) -> Backend:
    artifact = next(each for each in model.artifacts if each.backend == backend)
    size, name = model.spec.input, model.spec.input_name
    planar = artifact.layout == "NCHW"
    shape = (1, 3, size.height, size.width) if planar else (1, size.height, size.width, 3)
    tensor = TensorSpec(name, shape, layout=artifact.layout)
    return open_backend(backend, artifact.files, tensor, model.spec.output_names, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mark", help="library made of mark.c")
    parser.add_argument("what", choices=("kernels", "scalar", "opencv", "inferences"))
    parser.add_argument("models", nargs="*", metavar="BACKEND:PRECISION=MODEL")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    mark = ctypes.CDLL(args.mark)
    made = {
        "kernels": partial(kernels, ops.target()),
        "scalar": partial(kernels, "scalar"),
        "opencv": opencv,
        "inferences": partial(inferences, args.models),
    }
    for name, work in chain([("nothing", lambda: None)], made[args.what]()):
        work()
        mark.start()
        work()
        mark.stop()
        print(name)
