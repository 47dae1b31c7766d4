"""The tensors and operators of a .tflite file, gathered as a graph is gone through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from calibration.emit.base import fused_relu
from calibration.emit.tflite_int8 import code
from calibration.emit.tflite_model import TfliteModel
from calibration.graph import Graph, Node, Shape
from calibration.quant.plan.plan import Plan, QuantParams
from calibration.runtimes.tflite import RUNTIME
from edge.types import AnyArray

IMAGE = (0, 2, 3, 1)  # from the graph's axes to TensorFlow Lite's
PLAIN = (0, 3, 1, 2)
NONE, RELU, RELU6 = 0, 1, 3  # the schema's ActivationFunctionType
_NOTHING = Plan(RUNTIME.name, {}, frozenset(), {}, frozenset())


class Writer:
    """Gathers the operators of a graph, one node after another.

    A tensor may be there in several forms: in either order of axes, as floats or as codes. What
    a node reads is made in the form that it wants.
    """

    def __init__(self, graph: Graph, half: bool, plan: Plan | None) -> None:
        """The inputs of a graph, and nothing else yet."""
        self.graph = graph
        self.plan = plan or _NOTHING
        self.model = TfliteModel(half=half)
        # By tensor, whether it is an image, and whether it is codes.
        self._numbers: dict[tuple[str, bool, bool], int] = {}
        self._fused: set[str] = set()  # nodes that the one before them computes
        self._coded = False  # whether the node at hand computes on codes
        self._grid: QuantParams | None = None  # of what it reads, then
        for name in graph.inputs:
            self._coded = name in self.plan.kept_in_int8
            self.result(name, image=len(graph.shapes[name]) == 4)
        self._inputs = dict(zip(graph.inputs, self._numbers.values(), strict=True))

    @contextmanager
    def writing(self, node: Node) -> Iterator[None]:
        """Within: what is read and given is what a node reads and gives."""
        self._coded = node.name in self.plan.layers or node.name in self.plan.pass_through
        self._grid = self.plan.tensors[node.inputs[0]] if self._coded else None
        before = set(self._numbers)
        try:
            yield
        finally:
            self._coded, self._grid = False, None
        for tensor, image, coded in [key for key in self._numbers if key not in before]:
            if not coded and tensor in self.plan.kept_in_int8 and tensor not in node.inputs:
                self._convert(tensor, image, coded=True)
                del self._numbers[tensor, image, False]

    def is_done(self, node: Node) -> bool:
        """Whether another node computes this one along."""
        return node.name in self._fused

    def is_layer(self, node: Node) -> bool:
        """Whether a node is a convolution on codes."""
        return node.name in self.plan.layers

    def finish(self) -> bytes:
        """The file."""
        outputs = {}
        for name in self.graph.outputs:
            self._coded = name in self.plan.kept_in_int8
            outputs[name] = self.get(name, image=False)
        return self.model.finish(self._inputs, outputs)

    def shape(self, tensor: str) -> Shape:
        """The shape of a tensor in the graph."""
        return self.graph.shapes[tensor]

    def is_image(self, tensor: str) -> bool:
        """Whether a tensor is stored as (1, H, W, C)."""
        return any((tensor, True, coded) in self._numbers for coded in (False, True))

    def get(self, tensor: str, *, image: bool) -> int:
        """The number of a tensor in one of the two orders of axes, for the node at hand."""
        values = self.graph.values(tensor)
        key = (tensor, image, self._coded and values is None)
        if key in self._numbers:
            return self._numbers[key]
        if values is not None:
            number = self.constant(values.transpose(IMAGE) if image else values, tensor)
            self._numbers[key] = number
        elif (tensor, not image, self._coded) in self._numbers:
            source = self._numbers[tensor, not image, self._coded]
            self.turn(source, self.result(tensor, image=image), IMAGE if image else PLAIN)
        else:
            there = image if (tensor, image, not self._coded) in self._numbers else not image
            self._convert(tensor, there, coded=self._coded)
            return self.get(tensor, image=image)
        return self._numbers[key]

    def _convert(self, tensor: str, image: bool, *, coded: bool) -> None:
        """Make codes of floats, or floats of codes."""
        source, kept = self._numbers[tensor, image, not coded], self._coded
        self._coded = coded
        result = [self.result(tensor, image=image)]
        self._coded = kept
        kind = "Quantize" if coded else "Dequantize"
        self.model.add(kind.upper(), [source], result, kind)

    def result(self, tensor: str, *, image: bool) -> int:
        """The number of a new tensor for a result. The bare name is for what users see."""
        bare = image != (tensor in self.graph.outputs)
        suffix = "" if bare or len(self.shape(tensor)) != 4 else "/image" if image else "/plain"
        if tensor in self.plan.tensors and self._coded != (tensor in self.plan.kept_in_int8):
            suffix += "/codes" if self._coded else "/real"
        grid = self.plan.tensors[tensor] if self._coded else None
        number = self.model.tensor(f"{tensor}{suffix}", self.stored_shape(tensor, image), grid=grid)
        self._numbers[tensor, image, self._coded] = number
        return number

    def inner(self, name: str, shape: Shape) -> int:
        """The number of a new tensor inside a node; codes are on the grid of what it reads."""
        return self.model.tensor(name, shape, grid=self._grid)

    def alias(self, tensor: str, number: int, *, image: bool) -> None:
        """Let a tensor be another under a new look."""
        self._numbers[tensor, image, self._coded] = number

    def constant(self, values: AnyArray, name: str = "constant") -> int:
        """The number of a constant, of floats or whole numbers."""
        return self.model.constant(values, name)

    def numbers(self, *values: int) -> int:
        """A constant row of whole numbers."""
        return self.constant(np.array(values, np.int32), "numbers")

    def number(self, value: float) -> int:
        """A constant number; as a code where the node at hand computes on codes."""
        if self._grid is None:
            return self.constant(np.array(value, np.float32), "number")
        results = np.array(code(value, self._grid), np.int8)
        scales, zero = np.array([self._grid.scale], np.float32), self._grid.zero_point
        return self.model.codes(results, "number", scales, zero_point=zero)

    def turn(self, source: int, target: int, order: Sequence[int]) -> None:
        """Add a transposition."""
        self.model.add("TRANSPOSE", [source, self.numbers(*order)], [target], "Transpose")

    def step(
        self, node: Node, code: str, inputs: Sequence[int], kind: str = "", **more: Any
    ) -> int:
        """An operator with an inner result in the shape and order of the node's input."""
        image = self.is_image(node.inputs[0])
        shape = more.pop("shape", None) or self.stored_shape(node.inputs[0], image)
        inner = self.inner(f"{node.output}/{code.lower()}", shape)
        self.model.add(code, inputs, [inner], kind, **more)
        return inner

    def stored_shape(self, tensor: str, image: bool) -> Shape:
        """The shape of a tensor as it is stored."""
        shape = self.shape(tensor)
        return tuple(shape[axis] for axis in IMAGE) if image else shape

    def axis(self, tensor: str, axis: int) -> int:
        """An axis of a tensor as one of what is stored of it."""
        axis %= len(self.shape(tensor))
        return IMAGE.index(axis) if self.is_image(tensor) else axis

    def activation(self, node: Node) -> tuple[str, int]:
        """The tensor that a node gives with the activation behind it, and that activation."""
        follower = self.graph.sole_consumer(node.output)
        results = NONE
        if self._coded:
            follower = fused_relu(self.graph, self.plan, node)
        elif node.output in self.plan.tensors:
            follower = None
        if follower is not None and follower.op == "Relu":
            results = RELU
        if follower is not None and follower.op == "Clip":
            bounds = [self.graph.scalar(follower.input(i)) for i in (1, 2)]
            results = RELU6 if bounds == [0, 6] else NONE
        if follower is None or results == NONE:
            return node.output, NONE
        self._fused.add(follower.name)
        return follower.output, results
