"""How fast `test:conveyor` renders: run it as a program.

One thread; CPU time, so that other work on the machine does not count. 5 frames of each of 6 seeds
warm up, the next 60 count: in order, as a source gives them. "apart" are frames 61 apart, as
a dataset gives them: nearly every part is new, and every tenth frame another line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from edge.conveyor import Conveyor
from edge.types import Size


def seconds(conveyor: Conveyor, frames: Iterable[int]) -> list[float]:
    """CPU time of each frame."""
    spent = []
    for index in frames:
        start = time.process_time()
        conveyor.render(index)
        spent.append(time.process_time() - start)
    return spent


def main() -> None:
    """Measure and print."""
    print(f"{'size':>10} {'frames/s':>9} {'median':>8} {'p90':>8} {'new line':>9} {'apart':>8}")
    for width, height in ((320, 240), (640, 480), (1280, 720)):
        size = Size(height, width)
        first: list[float] = []
        ordered: list[float] = []
        for seed in range(1, 7):
            conveyor = Conveyor(seed, size)
            warm = seconds(conveyor, range(5))
            first.append(warm[0])
            ordered += seconds(conveyor, range(5, 65))
        apart = seconds(Conveyor(1, size), range(0, 61 * 40, 61))
        median, p90 = np.percentile(ordered, (50, 90))
        row = (median, p90, np.mean(first), np.mean(apart))
        cells = " ".join(f"{1e3 * v:5.1f} ms" for v in row)
        print(f"{width}x{height}".rjust(10), f"{1 / np.mean(ordered):9.0f}", cells)


if __name__ == "__main__":
    main()
