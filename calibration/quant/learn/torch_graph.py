"""A graph in torch: the same operators, so that what is in it can be learned.

It agrees with ONNX Runtime to float precision. Only operators that detectors have are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from calibration.graph import Graph, Node
from calibration.quant.learn.torch_operators import OPERATORS
from edge.errors import CalibrationError

Weigh = Callable[[Node], tuple[Tensor, Tensor | None]]
Pass = Callable[[str, Tensor], Tensor]


class TorchGraph:
    """A graph that runs in torch, on batches too."""

    def __init__(self, graph: Graph) -> None:
        """Check the operators and take over the constants.

        Raises:
            CalibrationError: An operator is not known here; names them all.
        """
        unknown = sorted({node.op for node in graph.nodes} - OPERATORS.keys())
        if unknown:
            raise CalibrationError(f"learning does not know the operators {', '.join(unknown)}")
        self.graph = graph
        self.constants = {
            name: torch.from_numpy(values.copy()) for name, values in graph.constants.items()
        }
        self._one_by_one = any(mixes_images(graph, node) for node in graph.nodes)
        self._last: dict[str, int] = {}
        for index, node in enumerate(graph.nodes):
            self._last |= dict.fromkeys(node.inputs, index)

    def __call__(
        self,
        image: Tensor,
        *,
        weigh: Weigh | None = None,
        reads: Callable[[Node, Tensor], Tensor] | None = None,
        gives: Pass | None = None,
    ) -> list[Tensor]:
        """The outputs.

        Args:
            image: (N, C, H, W) float32.
            weigh: The weight and bias of a convolution, in place of its own.
            reads: What a convolution reads, from what it is given.
            gives: What is read of a tensor, by name, from what was computed.
        """
        if self._one_by_one and len(image) > 1:
            each = [self(one, weigh=weigh, reads=reads, gives=gives) for one in image.split(1)]
            return [torch.cat(outputs) for outputs in zip(*each, strict=True)]
        graph = self.graph
        gives = gives or (lambda _, values: values)
        results: dict[str, Tensor] = {graph.inputs[0]: gives(graph.inputs[0], image)}
        for index, node in enumerate(graph.nodes):
            inputs = [self._value(results, name) for name in node.inputs]
            if node.op == "Conv":
                if reads is not None and inputs[0] is not None:
                    inputs[0] = reads(node, inputs[0])
                if weigh is not None:
                    inputs[1:] = weigh(node)
            outputs = OPERATORS[node.op](graph, node, inputs)
            for name, values in zip(node.outputs, outputs, strict=True):
                results[name] = gives(name, values)
            for name in node.inputs:
                if self._last[name] == index and name not in graph.outputs:
                    results.pop(name, None)
        return [results[name] for name in graph.outputs]

    def _value(self, results: Mapping[str, Tensor], name: str) -> Tensor | None:
        if not name:
            return None
        return results[name] if name in results else self.constants[name]


def mixes_images(graph: Graph, node: Node) -> bool:
    """Whether a node, of a graph for one image, would read several images of a batch as one.

    Everywhere else the first axis, of 1, is the batch's.
    """
    fed = [name for name in node.inputs if name and name not in graph.constants]
    shapes = [graph.shapes[name] for name in (*fed, *filter(None, node.outputs))]
    return any(shape[:1] != (1,) for shape in shapes) or (
        node.op == "Transpose" and node.ints("perm", (1,))[0] != 0
    )
