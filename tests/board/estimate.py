"""What one inference costs a board, and the weights that turn costs into milliseconds.

The counts of one thread are of a whole inference. Those of four are of the thread that starts the
others: it has the largest part of all that splits, and all that does not split. What the threads
share, the memory behind the last cache and the way to it, costs by what one thread misses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tests.board import fit
from tests.board.machines import Board

HERE = Path(__file__).resolve().parent
THREADS = (1, 4)


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted of one inference.

    Attributes:
        cycles: By llvm-mca, each block for itself.
        misses: Of L1, L2 and L3; nothing of a level that does not exist.
    """

    instructions: float
    cycles: float
    misses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """One inference, as costs see it.

    Attributes:
        alone: With one thread.
        first: Of the first thread, of as many as there are.
        threads: How many.
        is_int8: Whether its convolutions are in INT8.
    """

    alone: Count
    first: Count
    threads: int
    is_int8: bool


@cache
def counts() -> Mapping[str, Mapping[str, Mapping[int, Count]]]:
    """By CPU, network and threads."""
    text = (HERE / "counts.json").read_text()
    return {
        cpu: {
            name: {
                int(threads): Count(
                    values["instructions"], values["cycles"], tuple(values["misses"])
                )
                for threads, values in each.items()
            }
            for name, each in networks.items()
        }
        for cpu, networks in json.loads(text)["counts"].items()
    }


@cache
def published(board: str) -> Mapping[int, Mapping[str, float]]:
    """Milliseconds by threads and network."""
    known = json.loads((HERE / "published.json").read_text())["boards"][board]
    return {int(threads): times for threads, times in known.items()}


def work(cpu: str, name: str, threads: int) -> Work:
    """What is counted of a network.

    Threads of TensorFlow Lite take over each other's work, so it splits evenly. (Counted, the first
    of four executes 21 % of YOLOv6-n: an emulated thread runs when the machine lets it.)
    """
    known = counts()[cpu][name]
    alone = known[1]
    if splits_evenly(name):
        first = Count(
            alone.instructions / threads,
            alone.cycles / threads,
            tuple(m / threads for m in alone.misses),
        )
    else:
        first = known[threads]
    return Work(alone, first, threads, name.lower().endswith("int8"))


def splits_evenly(name: str) -> bool:
    """Whether four threads are estimated without a count of them."""
    return " tflite " in name


COSTS: Mapping[str, Callable[[Work], float]] = MappingProxyType(
    {
        "cycles": lambda work: work.first.cycles,
        "cycles of INT8": lambda work: work.first.cycles * work.is_int8,
        "misses of L1": lambda work: work.first.misses[0],
        "misses of L2": lambda work: work.first.misses[1],
        "misses of L2, by threads": lambda work: work.first.misses[1] * (work.threads > 1),
        "all misses of L2, by threads": lambda work: work.alone.misses[1] * (work.threads > 1),
        "all misses of L3": lambda work: work.alone.misses[2],
        "each inference, in millions": lambda work: 1e6,
    }
)


def milliseconds(board: Board, work: Work) -> fit.Array:
    """Of each of the board's costs, each with a weight of one."""
    return np.array([COSTS[name](work) for name in board.costs]) / board.hz * 1e3


@dataclass(frozen=True, slots=True)
class Sample:
    """A network whose time on the board is published."""

    name: str
    threads: int
    costs: fit.Array
    ms: float


def samples(board: Board, without: Iterable[str] = ()) -> list[Sample]:
    """What is both counted and published, but for `without`."""
    excluded = frozenset(without)
    return [
        Sample(name, threads, milliseconds(board, work(board.cpu, name, threads)), ms)
        for threads in THREADS
        for name, ms in sorted(published(board.published).get(threads, {}).items())
        if name not in excluded and threads in counts()[board.cpu].get(name, {})
    ]


def fitted(known: Iterable[Sample]) -> fit.Array:
    """The weights of these samples, of all numbers of threads together."""
    chosen = list(known)
    return fit.weights(np.stack([s.costs for s in chosen]), np.array([s.ms for s in chosen]))


def left_out(known: list[Sample]) -> dict[int, fit.Errors]:
    """Each network, with any number of threads, estimated by the others; by threads."""
    ratios: dict[int, dict[str, float]] = {threads: {} for threads in THREADS}
    for name in sorted({sample.name for sample in known}):
        weights = fitted(sample for sample in known if sample.name != name)
        for sample in (sample for sample in known if sample.name == name):
            ratios[sample.threads][name] = float(sample.costs @ weights) / sample.ms
    return {threads: fit.Errors(each) for threads, each in ratios.items()}


def tested(board: Board, names: Iterable[str]) -> dict[int, fit.Errors]:
    """`names` estimated by a fit to all other networks."""
    chosen = frozenset(names)
    weights = fitted(samples(board, without=chosen))
    return priced((sample for sample in samples(board) if sample.name in chosen), weights)


def priced(known: Iterable[Sample], weights: fit.Array) -> dict[int, fit.Errors]:
    """How far these weights are off, by threads."""
    ratios: dict[int, dict[str, float]] = {threads: {} for threads in THREADS}
    for sample in known:
        ratios[sample.threads][sample.name] = float(sample.costs @ weights) / sample.ms
    return {threads: fit.Errors(each) for threads, each in ratios.items()}
