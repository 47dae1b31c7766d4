"""What values a network's tensors take on images: counted once, for every observer.

Magnitudes are counted by the upper half of their float32 bits, so that no range need be known
beforehand and one pass over the images is enough; a bin is at most 1/128 of its value wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt

from calibration.graph import Graph
from calibration.quant.observe.inputs import Inputs
from calibration.quant.observe.session import Session
from calibration.quant.plan import structure
from edge import ops
from edge.ops import MAGNITUDES
from edge.types import AnyArray

_BYTES = 256 << 20  # of tensors that are looked at in one run: bounds the memory
_FINITE = 0x7F80  # bins from here on hold infinities and not-a-numbers


@dataclass(slots=True, eq=False)
class Histogram:
    """The values of a tensor.

    Attributes:
        low: The least.
        high: The greatest.
        above: (MAGNITUDES,) int64: how many positive values have each upper half of their bits;
            zeros are in the first bin.
        below: Likewise of negative ones, zeros left out.
    """

    low: float = np.inf
    high: float = -np.inf
    above: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAGNITUDES, np.int64))
    below: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAGNITUDES, np.int64))

    def add(self, values: AnyArray) -> None:
        """Count values, contiguous float32."""
        low, high = ops.value_range(values)
        self.low, self.high = min(self.low, low), max(self.high, high)
        if low >= 0:
            ops.add_magnitudes(values, self.above)
            return
        ops.add_magnitudes(np.maximum(values, 0), self.above)
        negative = values < 0
        self.above[0] -= int(np.count_nonzero(negative))  # they were counted as zeros
        ops.add_magnitudes(values[negative], self.below)

    def bins(self) -> tuple[AnyArray, AnyArray]:
        """The middle of every bin that is not empty, ascending, and its count; float64."""
        middles = _middles()
        below = np.flatnonzero(self.below[:_FINITE])[::-1]
        above = np.flatnonzero(self.above[:_FINITE])
        values = np.concatenate([-middles[below], middles[above]])
        counts = np.concatenate([self.below[below], self.above[above]])
        return np.clip(values, self.low, self.high), counts.astype(np.float64)


def observe(
    graph: Graph,
    inputs: Inputs,
    names: Iterable[str],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Histogram]:
    """The histograms of some tensors, of the images alone: not of what is around them.

    Values that no reader of a tensor tells apart from a nearer one are counted as that.

    Args:
        graph: With one input.
        inputs: For it.
        names: Of tensors; the graph's input may be among them.
        progress: Is told how many runs of how many are done.
    """
    results = {name: Histogram() for name in names}
    parts = list(chunks(graph, [name for name in results if name not in graph.inputs]))
    total = len(parts) * len(inputs)
    spans = {name: structure.effective_range(graph, name) for name in results}
    for number, chunk in enumerate(parts):
        session = Session(graph.rebuilt(outputs=chunk))
        for index in range(len(inputs)):
            image = inputs.real(index)
            for name, values in zip(chunk, session(image), strict=True):
                part = inputs.image(index, values)
                low, high = spans[name]
                if np.isfinite(low).any() or np.isfinite(high).any():
                    part = part.clip(np.float32(low), np.float32(high))
                results[name].add(np.ascontiguousarray(part))
            if number == 0 and graph.inputs[0] in results:
                part = inputs.image(index, image)
                results[graph.inputs[0]].add(np.ascontiguousarray(part))
            if progress:
                progress(number * len(inputs) + index + 1, total)
    return results


def chunks(graph: Graph, names: Sequence[str]) -> Iterable[list[str]]:
    """The tensors in the order of the graph, cut where they would take too much memory."""
    chosen = set(names)
    ordered = [name for node in graph.nodes for name in node.outputs if name in chosen]
    chunk: list[str] = []
    size = 0
    for name in ordered:
        more = 4 * prod(graph.shapes[name])
        if chunk and size + more > _BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(name)
        size += more
    if chunk:
        yield chunk


def _middles() -> AnyArray:
    """(_FINITE,) float64: the middle of each bin; zero of the first."""
    bits = np.arange(_FINITE, dtype=np.uint32) << 16
    middles = (bits | 0x8000).view(np.float32).astype(np.float64)
    middles[0] = 0
    return middles
