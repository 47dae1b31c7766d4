"""SHA-256 of what a calibration was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

import numpy as np

from calibration.graph import Graph
from edge.types import AnyArray


def of_graph(graph: Graph) -> str:
    """Of operators, names and weights."""
    digest = sha256()
    parts: list[object] = [graph.inputs, graph.outputs]
    for node in graph.nodes:
        parts += [node.op, node.name, node.inputs, node.outputs]
        parts += [(key, _plain(value)) for key, value in sorted(node.attributes.items())]
    digest.update(repr(parts).encode())
    for name in sorted(graph.constants):
        _add(digest.update, name, graph.constants[name])
    return digest.hexdigest()


def of_arrays(arrays: Iterable[AnyArray]) -> str:
    """Of some arrays, in order."""
    digest = sha256()
    for values in arrays:
        _add(digest.update, "", values)
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], name: str, values: AnyArray) -> None:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    update(repr((name, values.dtype.name, values.shape)).encode())
    update(little.tobytes())


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value
