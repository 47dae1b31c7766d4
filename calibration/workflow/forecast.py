"""What can be said of the speed of INT8 before any of it is made."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.graph import Graph
from calibration.quant.plan import structure
from calibration.runtimes import Runtime, runtime

# Computed apart from the convolution before them, where a runtime does not fuse them.
_ACTIVATIONS = frozenset({"Silu", "Gelu", "Elu"})


def forecast(graph: Graph, targets: Sequence[str]) -> list[str]:
    """Why INT8 may win little time, in sentences; none where it should.

    Args:
        graph: Prepared.
        targets: Keys into `edge.backends.BACKENDS`.
    """
    return [line for name in targets for line in _of_runtime(graph, runtime(name))]


def _of_runtime(graph: Graph, rules: Runtime) -> list[str]:
    if rules.stores:  # codes go on through whatever lies between layers
        return []
    nodes = structure.convolutions(graph)
    readers = [graph.consumers.get(structure.result(graph, node, rules), ()) for node in nodes]
    apart = [{node.op for node in each} & (_ACTIVATIONS - rules.fused) for each in readers]
    halted = sum(map(bool, apart))
    if 2 * halted >= max(len(nodes), 1):
        names = ", ".join(sorted(set().union(*apart)))
        return [
            f"{halted} of {len(nodes)} convolutions have an activation ({names}) that "
            f"{rules.name} cannot compute along with them: their codes become floats for it and "
            f"are rounded again, so that INT8 may be slower than {rules.precision} in "
            f"{rules.name}. ReLU, LeakyReLU and HardSwish are computed along. The report has both "
            "times"
        ]
    depthwise = sum(structure.is_depthwise(graph, node) for node in nodes)
    if 4 * depthwise >= max(len(nodes), 1):
        return [
            f"{depthwise} of {len(nodes)} convolutions are depthwise: most stay float in "
            f"{rules.name}, for accuracy, and what lies between them is converted to and fro, so "
            "that INT8 may be hardly faster than float. The report has both times"
        ]
    return []
