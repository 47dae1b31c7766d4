"""The facts of a calibration, as plain values; the page and the JSON file show the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edge.evaluate import Agreement
from edge.evaluate.bootstrap import Difference
from edge.types import AnyArray

BINS = 48


@dataclass(frozen=True, slots=True)
class Histogram:
    """The values that a tensor took.

    Attributes:
        low: Start of the first bin.
        high: End of the last one.
        counts: Of bins of one width; empty where nothing is known.
    """

    low: float
    high: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: AnyArray, counts: AnyArray) -> Histogram:
        """From values, each with a count."""
        if not len(values):
            return cls(0.0, 0.0, (0,) * BINS)
        low, high = float(values.min()), float(values.max())
        if low == high:
            low, high = low - 0.5, high + 0.5
        bins, _ = np.histogram(values, BINS, (low, high), weights=counts)
        return cls(low, high, tuple(int(n) for n in bins))

    def outside(self, low: float, high: float) -> float:
        """The share of the values outside a range, to the width of a bin; 0 to 1."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        counts = np.array(self.counts, np.float64)
        beyond = (edges[1:] <= low) | (edges[:-1] >= high)
        return float(counts[beyond].sum() / max(counts.sum(), 1.0))


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution.

    Attributes:
        name: In the canonical graph.
        kind: Window, stride, channels.
        operations: Its share of all multiply-accumulates, 0 to 1.
        why_float: Why it is not INT8; empty where it is.
        cost: What rounding it adds to the objective; None where that was not measured.
        clip: The range that the codes of its input cover; None where it is float.
        clipped: The share of its input's values outside that, 0 to 1.
        histogram: The values of its input.
    """

    name: str
    kind: str
    operations: float
    why_float: str
    cost: float | None
    clip: tuple[float, float] | None
    clipped: float
    histogram: Histogram


@dataclass(frozen=True, slots=True)
class Row:
    """The network computed in one way, compared with float on the same images.

    Attributes:
        name: The way.
        agreement: With the float detections as the truth.
        labels: AP and others by labels, float first; empty without labels.
    """

    name: str
    agreement: Agreement
    labels: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """A number of float layers, and what it gives.

    Attributes:
        layers: Convolutions that are float by choice.
        operations: Their share of all multiply-accumulates.
        agreement: Simulated, against float.
    """

    layers: int
    operations: float
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Scheme:
    """What was decided for one scheme.

    Attributes:
        name: "symmetric" or "asymmetric".
        targets: The runtimes that have it.
        rows: Simulated: weights only, activations only, both.
        layers: In the order of the network.
        curve: From all layers in INT8 on; empty where it was not drawn.
    """

    name: str
    targets: tuple[str, ...]
    rows: tuple[Row, ...]
    layers: tuple[Layer, ...]
    curve: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime's file, as it ran here.

    Attributes:
        name: Key into `edge.backends.BACKENDS`.
        scheme: Its name.
        row: In the runtime, on all held-out images.
        simulated: The runtime with the simulation as the truth, on a part of them.
        noise: By output: SQNR against float in decibels, of the simulation and of the runtime.
        int8_layers: Convolutions in INT8.
        float_layers: Others.
        float_operations: Share of multiply-accumulates that stays float, 0 to 1.
        size: Bytes.
        float_size: Bytes of the file that `edge convert` writes.
        latency: Seconds of an inference, median.
        float_latency: Of the float file, taken in turns with the other.
        threads: Of both.
    """

    name: str
    scheme: str
    row: Row
    simulated: Agreement
    noise: Mapping[str, tuple[float, float]]
    int8_layers: int
    float_layers: int
    float_operations: float
    size: int
    float_size: int
    latency: float
    float_latency: float
    threads: int

    @property
    def faster(self) -> float:
        """How many times as fast as float."""
        return self.float_latency / self.latency


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it.

    Attributes:
        name: Of the model.
        family: Of the model.
        input: Size, as text.
        labels: Class names.
        created: Date and time, ISO 8601.
        version: Of edge.
        machine: In words.
        recipe: Its name.
        seed: Of what was drawn.
        model_sha256: Of the prepared network.
        images_sha256: Of the network inputs that were observed.
        observed: Images.
        held_out: Images.
        labeled: Whether those have labels.
        limits: Of the gate, in words.
        warnings: What a person should know.
        seconds: By stage.
        targets: In the order of the package.
        schemes: Those in use.
        recipe_facts: What the recipe says of itself.
    """

    name: str
    family: str
    input: str
    labels: tuple[str, ...]
    created: str
    version: str
    machine: str
    recipe: str
    seed: int
    model_sha256: str
    images_sha256: str
    observed: int
    held_out: int
    labeled: bool
    limits: str
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    targets: tuple[Target, ...]
    schemes: tuple[Scheme, ...]
    recipe_facts: Mapping[str, Any] = field(default_factory=dict)


def plain(facts: Facts) -> dict[str, Any]:
    """As JSON has it: no tuples, and null for what is not a number."""
    return {key: _plain(value) for key, value in asdict(facts).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
