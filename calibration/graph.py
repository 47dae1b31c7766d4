"""The network as the calibrator sees it: ONNX operators with static shapes, as plain data.

A `Graph` is always whole: sorted, without dead nodes, every shape known that can be. A change is
a new graph. Operators are those of ONNX (opset `OPSET`), and a few that ONNX has only as patterns
and that runtimes have as one (`COMPOSITES`); `to_model` writes those out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.errors import ModelError
from edge.types import AnyArray

OPSET = 20  # the first with Gelu; LayerNormalization, HardSwish and Mish are older
Shape: TypeAlias = tuple[int, ...]
Attribute: TypeAlias = (
    "int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | AnyArray"
)
T = TypeVar("T")

_IR_VERSION = 9  # what belongs to opset 20; older runtimes refuse newer numbers
_SMALL = 256  # elements; shape inference reads the values of constants up to this size


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator.

    Attributes:
        op: Name of the ONNX operator, with its domain in front where that is not ONNX's own.
        name: Unique in its graph.
        inputs: Names of tensors; empty for an optional one that is absent.
        outputs: Likewise.
        attributes: As in ONNX.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return f"{self.name} ({self.op})"

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def get(self, name: str, default: T) -> T:
        """An attribute, or `default`, whose type it must have.

        Raises:
            ModelError: It has another type.
        """
        value = self.attributes.get(name, default)
        if isinstance(default, float) and isinstance(value, int):
            value = float(value)
        if not isinstance(value, type(default)):
            expected = type(default).__name__
            raise ModelError(f"{self}: attribute {name} is {value!r}, wanted {expected}")
        return value

    def ints(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """An attribute that is a row of whole numbers, or `default`.

        Raises:
            ModelError: It is something else.
        """
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            raise ModelError(f"{self}: attribute {name} is {value!r}, wanted whole numbers")
        return tuple(item for item in value if isinstance(item, int))

    def input(self, index: int) -> str:
        """The name of an input; empty where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network. Made by `build`; changed by `Graph.rebuilt` and `rewrite`.

    Attributes:
        nodes: Each after those whose outputs it reads.
        inputs: Names of the tensors that are fed.
        outputs: Names of the results, in order.
        constants: Values of the tensors that are fixed.
        shapes: Of every tensor, constants included, as far as it does not depend on the data.
        dtypes: NumPy names of the element types of the same tensors.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, AnyArray]
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node that computes each tensor; inputs and constants are absent."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each tensor, each once; tensors that none reads are absent."""
        results: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    results.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in results.items()}

    def sole_consumer(self, name: str) -> Node | None:
        """The only node that reads a tensor; None where there are several, or it is an output."""
        readers = self.consumers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def values(self, name: str) -> AnyArray | None:
        """The values of a constant; None for any other tensor and for the absent one."""
        return self.constants.get(name)

    def scalar(self, name: str) -> float | None:
        """The value of a constant of one element, else None."""
        values = self.constants.get(name)
        return float(values.reshape(())) if values is not None and values.size == 1 else None

    def rebuilt(
        self,
        *,
        nodes: Iterable[Node] | None = None,
        constants: Mapping[str, AnyArray] = MappingProxyType({}),
        outputs: Sequence[str] | None = None,
    ) -> Graph:
        """The graph with other nodes, with further constants, or with other outputs.

        Raises:
            ModelError: A tensor is read that nobody gives, or two nodes give the same one.
        """
        return build(
            self.nodes if nodes is None else nodes,
            inputs={name: self.shapes[name] for name in self.inputs},
            outputs=self.outputs if outputs is None else outputs,
            constants={**self.constants, **constants},
        )


def build(
    nodes: Iterable[Node],
    *,
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, AnyArray],
) -> Graph:
    """A whole graph of these parts: sorted, without what no output needs, with shapes.

    Args:
        nodes: In any order.
        inputs: Shape by name; float32.
        outputs: Names.
        constants: Values by name.

    Raises:
        ModelError: The parts make no graph: a tensor is missing, given twice, or in a circle.
    """
    ordered = _needed(_sorted(tuple(nodes)), outputs)
    read = {name for node in ordered for name in node.inputs} | set(outputs)
    kept = {name: values for name, values in constants.items() if name in read}
    given = [*inputs, *kept, *(name for node in ordered for name in node.outputs if name)]
    if len(set(given)) < len(given):
        twice = sorted({name for name in given if given.count(name) > 1})
        raise ModelError(f"tensors that are given twice: {', '.join(twice)}")
    missing = sorted(read - set(given) - {""})
    if missing:
        raise ModelError(f"tensors that nobody gives: {', '.join(missing)}")
    graph = Graph(
        ordered,
        tuple(inputs),
        tuple(outputs),
        MappingProxyType(kept),
        MappingProxyType({**inputs, **{name: v.shape for name, v in kept.items()}}),
        MappingProxyType(
            {**dict.fromkeys(inputs, "float32"), **{n: v.dtype.name for n, v in kept.items()}}
        ),
    )
    return _with_shapes(graph)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A rewrite of a few nodes.

    Attributes:
        old: All nodes that were looked at; they disappear.
        new: The nodes in their place, giving what the rest of the graph still reads.
        constants: New fixed tensors.
        aliases: Tensors of `old` that are given up, each with the one to read instead.
    """

    old: tuple[Node, ...]
    new: tuple[Node, ...] = ()
    constants: Mapping[str, AnyArray] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


Rule: TypeAlias = Callable[[Graph, Node], "Change | None"]


def rewrite(graph: Graph, *rules: Rule) -> Graph:
    """The graph after applying rules until none applies any more.

    Each rule is asked about every node; what it answers must not change what is computed.
    """
    while True:
        changes: list[Change] = []
        taken: set[str] = set()
        for node in graph.nodes:
            change = next(filter(None, (rule(graph, node) for rule in rules)), None)
            names = {old.name for old in change.old} if change else set()
            if change and not names & taken:
                changes.append(change)
                taken |= names
        if not changes:
            return graph
        graph = _applied(graph, changes, taken)


def _applied(graph: Graph, changes: Sequence[Change], taken: set[str]) -> Graph:
    nodes = [node for node in graph.nodes if node.name not in taken]
    constants: dict[str, AnyArray] = {}
    aliases: dict[str, str] = {}
    for change in changes:
        nodes += change.new
        constants |= change.constants
        aliases |= change.aliases

    def resolved(name: str) -> str:
        while name in aliases:
            name = aliases[name]
        return name

    # An output keeps its name: what it stood for is renamed to it instead.
    renamed = {name: resolved(name) for name in aliases}
    made = {name for node in nodes for name in node.outputs}
    for output in graph.outputs:
        source = renamed.get(output)
        if source is None:
            continue
        if source in made and source not in graph.outputs and source not in renamed:
            renamed |= {name: output for name, target in renamed.items() if target == source}
            renamed[source] = output
            del renamed[output]
            made.discard(source)
        else:
            nodes.append(Node("Identity", f"{output}/copy", (source,), (output,)))
            del renamed[output]
    nodes = [
        replace(
            node,
            inputs=tuple(renamed.get(name, name) for name in node.inputs),
            outputs=tuple(renamed.get(name, name) for name in node.outputs),
        )
        for node in nodes
    ]
    return graph.rebuilt(nodes=nodes, constants=constants)


def to_model(graph: Graph, *, weights: bool = True) -> onnx.ModelProto:
    """The graph as ONNX, composites written out.

    Args:
        graph: Any.
        weights: Off, large constants become inputs and composites one operator that keeps the
            shape: enough to infer shapes.
    """
    constants = dict(graph.constants)
    protos: list[onnx.NodeProto] = []
    for node in graph.nodes:
        for plain in _expanded(graph, node, constants) if weights else [_as_shape(node)]:
            domain, _, op = plain.op.rpartition(".")
            attributes = {name: _to_attribute(value) for name, value in plain.attributes.items()}
            protos.append(
                helper.make_node(
                    op, plain.inputs, plain.outputs, plain.name, domain=domain or None, **attributes
                )
            )
    fed = list(graph.inputs)
    kept_in_int8 = constants
    if not weights:
        fed += [name for name, values in constants.items() if values.size > _SMALL]
        kept_in_int8 = {name: values for name, values in constants.items() if values.size <= _SMALL}
    domains = sorted({node.domain for node in protos} - {""})
    return helper.make_model(
        helper.make_graph(
            protos,
            "edge",
            [_value_info(name, graph) for name in fed],
            [_value_info(name, graph) for name in graph.outputs],
            [numpy_helper.from_array(np.asarray(v, order="C"), n) for n, v in kept_in_int8.items()],
        ),
        opset_imports=[
            helper.make_opsetid("", OPSET),
            *(helper.make_opsetid(domain, 1) for domain in domains),
        ],
        ir_version=_IR_VERSION,
        producer_name="edge",
    )


def _silu(node: Node, _: Graph, __: dict[str, AnyArray]) -> list[Node]:
    x, gate = node.inputs[0], f"{node.output}/gate"
    return [
        Node("Sigmoid", f"{node.name}/gate", (x,), (gate,)),
        Node("Mul", node.name, (x, gate), node.outputs),
    ]


def _channel_shuffle(node: Node, graph: Graph, constants: dict[str, AnyArray]) -> list[Node]:
    shape = graph.shapes[node.inputs[0]]
    groups = node.get("groups", 1)
    apart, turned, sizes, back = (
        f"{node.output}/{part}" for part in ("apart", "turned", "sizes", "back")
    )
    batch, channels, *space = shape
    constants[sizes] = np.array([batch, groups, channels // groups, *space], np.int64)
    constants[back] = np.array(shape, np.int64)
    order = (0, 2, 1, *range(3, len(shape) + 1))
    return [
        Node("Reshape", f"{node.name}/apart", (node.inputs[0], sizes), (apart,)),
        Node("Transpose", f"{node.name}/turned", (apart,), (turned,), {"perm": order}),
        Node("Reshape", node.name, (turned, back), node.outputs),
    ]


# Operators that runtimes have as one and ONNX has as several. Silu: x * sigmoid(x).
# ChannelShuffle: channels (groups, n) become (n, groups); attribute `groups`.
COMPOSITES: Mapping[str, Callable[[Node, Graph, dict[str, AnyArray]], list[Node]]] = (
    MappingProxyType({"Silu": _silu, "ChannelShuffle": _channel_shuffle})
)


def _expanded(graph: Graph, node: Node, constants: dict[str, AnyArray]) -> list[Node]:
    expand = COMPOSITES.get(node.op)
    return [node] if expand is None else expand(node, graph, constants)


def _as_shape(node: Node) -> Node:
    """A node with the same shapes: composites keep that of their input."""
    if node.op not in COMPOSITES:
        return node
    return replace(node, op="Identity", attributes=MappingProxyType({}))


def _to_attribute(value: Attribute) -> Any:
    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _value_info(name: str, graph: Graph) -> onnx.ValueInfoProto:
    if name not in graph.dtypes:
        return helper.make_empty_tensor_value_info(name)
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(graph.dtypes[name]))
    return helper.make_tensor_value_info(name, dtype, graph.shapes.get(name))


def _sorted(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Each node after those whose outputs it reads, else in the given order."""
    producers = {name: node for node in nodes for name in node.outputs if name}
    done: dict[int, Node] = {}
    opened: set[int] = set()
    for root in nodes:
        stack = [root]
        while stack:
            node = stack[-1]
            expected = {
                id(producers[name]): producers[name] for name in node.inputs if name in producers
            }
            waiting = [other for key, other in expected.items() if key not in done]
            if id(node) in done or not waiting:
                done.setdefault(id(node), node)
                stack.pop()
                continue
            if id(node) in opened:
                raise ModelError(f"node {node} reads, through others, its own output")
            opened.add(id(node))
            stack += reversed(waiting)
    return tuple(done.values())


def _needed(nodes: tuple[Node, ...], outputs: Sequence[str]) -> tuple[Node, ...]:
    expected = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if expected.intersection(node.outputs):
            expected.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _with_shapes(graph: Graph) -> Graph:
    try:
        inferred = onnx.shape_inference.infer_shapes(
            to_model(graph, weights=False), strict_mode=True, data_prop=True
        )
    except (onnx.shape_inference.InferenceError, KeyError) as error:
        raise ModelError(f"shapes do not fit: {error}") from error
    shapes, dtypes = dict(graph.shapes), dict(graph.dtypes)
    made = {name for node in graph.nodes for name in node.outputs}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        if value.name not in made or not kind.elem_type:
            continue
        dtypes[value.name] = helper.tensor_dtype_to_np_dtype(kind.elem_type).name
        sizes = [size.dim_value for size in kind.shape.dim]
        if kind.HasField("shape") and all(size.HasField("dim_value") for size in kind.shape.dim):
            shapes[value.name] = tuple(sizes)
    return replace(graph, shapes=MappingProxyType(shapes), dtypes=MappingProxyType(dtypes))
