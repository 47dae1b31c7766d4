"""ONNX files, as any exporter writes them, to a `Graph`.

Operators of older opsets are brought to the form that `calibration.graph.OPSET` gives them, half
precision becomes float32, and what does not depend on the image is computed once and for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import onnx
import onnx.inliner
from onnx import helper, numpy_helper

from calibration.frontends.fold import fold
from calibration.graph import Attribute, Graph, Node, Shape, build
from edge.backends.base import SIDE_INPUTS
from edge.errors import ModelError, UnsupportedModelError
from edge.types import AnyArray, Size

OLDEST_OPSET = 9
_FLOAT_LIMIT = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """What an ONNX file holds.

    Attributes:
        graph: As in the file but for the above; constants folded, not simplified yet.
        metadata: `metadata_props` of the file.
    """

    graph: Graph
    metadata: Mapping[str, str]


def read(content: bytes, *, input_size: Size | None = None) -> OnnxModel:
    """Read an ONNX file.

    Args:
        content: Of the file.
        input_size: Of the network input; None where the file fixes it.

    Raises:
        ModelError: The file is damaged, leaves its input size open while none is given, or
            fixes another one.
        UnsupportedModelError: It is older than opset 9, keeps weights in other files, or has
            more than one input.
    """
    proto = _parsed(content)
    opset = _opset(proto)
    constants = {
        init.name: _float32(numpy_helper.to_array(init)) for init in proto.graph.initializer
    }
    inputs = [value for value in proto.graph.input if value.name not in constants]
    inputs = [value for value in inputs if value.name not in SIDE_INPUTS] or inputs
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise UnsupportedModelError(f"one input is wanted, this model has {names}")
    shape = _input_shape(inputs[0], input_size)
    constants |= {
        value.name: SIDE_INPUTS[value.name](Size(*shape[2:]))
        for value in proto.graph.input
        if value.name in SIDE_INPUTS and value.name != inputs[0].name
    }
    nodes: list[Node] = []
    names_taken: set[str] = set()
    for item in proto.graph.node:
        node = _node(item, names_taken)
        if node.op == "Constant":
            constants[node.output] = _constant(node)
        else:
            nodes.append(_modern(node, opset, constants))
    graph = build(
        nodes,
        inputs={inputs[0].name: shape},
        outputs=[value.name for value in proto.graph.output],
        constants=constants,
    )
    metadata = {item.key: item.value for item in proto.metadata_props}
    return OnnxModel(fold(graph), MappingProxyType(metadata))


def _parsed(content: bytes) -> onnx.ModelProto:
    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's errors depend on its implementation
        raise ModelError(f"not an ONNX model: {error}") from error
    if not proto.graph.node:
        raise ModelError("not an ONNX model: it has no operators")
    if any(init.data_location == onnx.TensorProto.EXTERNAL for init in proto.graph.initializer):
        raise UnsupportedModelError(
            "its weights lie in another file; save it with the weights inside "
            "(onnx.save(model, path, save_as_external_data=False))"
        )
    return onnx.inliner.inline_local_functions(proto) if proto.functions else proto


def _opset(proto: onnx.ModelProto) -> int:
    opset = max(
        (item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), default=0
    )
    if opset < OLDEST_OPSET:
        raise UnsupportedModelError(f"its opset is {opset}; {OLDEST_OPSET} or newer is read")
    return opset


def _input_shape(value: onnx.ValueInfoProto, expected: Size | None) -> Shape:
    sizes = [
        size.dim_value if size.HasField("dim_value") else 0
        for size in value.type.tensor_type.shape.dim
    ]
    if len(sizes) != 4:
        raise UnsupportedModelError(
            f"the input {value.name} is an image (1, 3, H, W), got {len(sizes)} axes: {sizes}"
        )
    batch, channels, height, width = sizes
    if batch > 1:
        raise UnsupportedModelError(f"the input {value.name} is a batch of {batch}; export with 1")
    if expected is None:
        if height < 1 or width < 1:
            raise ModelError(
                f"the file leaves the size of its input {value.name} open; --imgsz says it"
            )
        expected = Size(height, width)
    for result, asked, what in ((height, expected.height, "high"), (width, expected.width, "wide")):
        if result > 0 and result != asked:
            raise ModelError(
                f"the input {value.name} is fixed at {result} pixels {what}, {asked} are asked for"
                "; export with that size, or with open axes"
            )
    return (1, channels if channels > 0 else 3, expected.height, expected.width)


def _node(item: onnx.NodeProto, taken: set[str]) -> Node:
    op = item.op_type if item.domain in ("", "ai.onnx") else f"{item.domain}.{item.op_type}"
    attributes = {attribute.name: _attribute(attribute) for attribute in item.attribute}
    name = item.name or item.op_type  # exporters may leave names out, or repeat them
    count = 0
    while name in taken:
        count += 1
        name = f"{item.name or item.op_type}#{count}"
    taken.add(name)
    return Node(op, name, tuple(item.input), tuple(item.output), MappingProxyType(attributes))


def _attribute(attribute: onnx.AttributeProto) -> Attribute:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.GraphProto):
        raise UnsupportedModelError(
            "it has branches or loops (If, Loop), which no runtime here takes"
        )
    if isinstance(value, (list, tuple)) or hasattr(value, "__len__"):
        return tuple(item.decode() if isinstance(item, bytes) else item for item in value)
    number: int | float = value
    return number


def _constant(node: Node) -> AnyArray:
    for value in node.attributes.values():
        if isinstance(value, np.ndarray):
            return _float32(value)
        kind = (
            np.float32
            if isinstance(value, float)
            or (isinstance(value, tuple) and value and isinstance(value[0], float))
            else np.int64
        )
        return np.array(value, kind)
    raise ModelError(f"{node}: it has no value")


def _float32(values: AnyArray) -> AnyArray:
    float_layers = values.dtype.kind == "f" or values.dtype.name == "bfloat16"
    return values.astype(np.float32) if float_layers else values


# --- older opsets ------------------------------------------------------------------------------

_Modernise = Callable[[Node, int, dict[str, AnyArray]], Node]


def _modern(node: Node, opset: int, constants: dict[str, AnyArray]) -> Node:
    change = _MODERN.get(node.op)
    return node if change is None else change(node, opset, constants)


def _without(node: Node, *names: str) -> Mapping[str, Attribute]:
    return {name: value for name, value in node.attributes.items() if name not in names}


def _attributes_to_inputs(*names: str) -> _Modernise:
    """Attributes that later became inputs 1, 2, …, all of them int64."""

    def change(node: Node, _: int, constants: dict[str, AnyArray]) -> Node:
        if not any(name in node.attributes for name in names):
            return node
        inputs = [node.inputs[0]]
        for name in names:
            values = node.attributes.get(name)
            inputs.append("" if values is None else f"{node.output}/{name}")
            if values is not None:
                constants[inputs[-1]] = np.array(values, np.int64)
        return replace(node, inputs=tuple(inputs), attributes=_without(node, *names))

    return change


def _clip(node: Node, _: int, constants: dict[str, AnyArray]) -> Node:
    if len(node.inputs) > 1 or not node.attributes:
        return node
    inputs = [node.inputs[0]]
    for name, default in (("min", -_FLOAT_LIMIT), ("max", _FLOAT_LIMIT)):
        inputs.append(f"{node.output}/{name}")
        constants[inputs[-1]] = np.array(node.get(name, default), np.float32)
    return replace(node, inputs=tuple(inputs), attributes={})


def _pad(node: Node, opset: int, constants: dict[str, AnyArray]) -> Node:
    if "pads" not in node.attributes:
        return node
    value = f"{node.output}/value"
    constants[value] = np.array(node.get("value", 0.0), np.float32)
    moved = _attributes_to_inputs("pads")(
        replace(node, attributes=_without(node, "value")), opset, constants
    )
    return replace(moved, inputs=(*moved.inputs, value))


def _split(node: Node, opset: int, constants: dict[str, AnyArray]) -> Node:
    node = _attributes_to_inputs("split")(node, opset, constants)
    if node.input(1) or "num_outputs" in node.attributes:
        return node
    return replace(node, attributes={**node.attributes, "num_outputs": len(node.outputs)})


def _upsample(node: Node, _: int, constants: dict[str, AnyArray]) -> Node:
    scales = node.input(1)
    if "scales" in node.attributes:
        scales = f"{node.output}/scales"
        constants[scales] = np.array(node.attributes["scales"], np.float32)
    return _resize_10(replace(node, op="Resize", inputs=(node.inputs[0], scales)))


def _resize(node: Node, opset: int, _: dict[str, AnyArray]) -> Node:
    if opset < 11:
        return _resize_10(node)
    if opset < 13 and node.input(3):  # scales stand there, empty, beside the sizes
        return replace(node, inputs=(node.inputs[0], "", "", node.inputs[3]))
    return replace(
        node, inputs=(node.inputs[0], "", *node.inputs[2:])
    )  # the region: for crops only


def _resize_10(node: Node) -> Node:
    mode = node.get("mode", "nearest")
    attributes: dict[str, Attribute] = {
        "mode": mode,
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    return replace(node, inputs=(node.inputs[0], "", node.inputs[1]), attributes=attributes)


def _softmax(node: Node, opset: int, _: dict[str, AnyArray]) -> Node:
    # Before opset 13 the axes from `axis` on are one. That differs unless it is the last one,
    # which exporters of networks make sure of.
    axis = node.get("axis", 1 if opset < 13 else -1)
    return replace(node, attributes={"axis": axis})


def _dropout(node: Node, _: int, __: dict[str, AnyArray]) -> Node:
    return replace(
        node, op="Identity", inputs=node.inputs[:1], outputs=node.outputs[:1], attributes={}
    )


def _cast(node: Node, _: int, __: dict[str, AnyArray]) -> Node:
    if node.get("to", 1) in (
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.BFLOAT16,
    ):
        return replace(node, attributes={**node.attributes, "to": int(onnx.TensorProto.FLOAT)})
    return node


def _batch_normalization(node: Node, _: int, __: dict[str, AnyArray]) -> Node:
    return replace(
        node, outputs=node.outputs[:1], attributes={"epsilon": node.get("epsilon", 1e-5)}
    )


_AXES = _attributes_to_inputs("axes")
_MODERN: Mapping[str, _Modernise] = MappingProxyType(
    {
        "BatchNormalization": _batch_normalization,
        "Cast": _cast,
        "Clip": _clip,
        "Dropout": _dropout,
        "Pad": _pad,
        "ReduceL2": _AXES,
        "ReduceMax": _AXES,
        "ReduceMean": _AXES,
        "ReduceMin": _AXES,
        "ReduceSum": _AXES,
        "Resize": _resize,
        "Slice": _attributes_to_inputs("starts", "ends", "axes"),
        "Softmax": _softmax,
        "Split": _split,
        "Squeeze": _AXES,
        "Unsqueeze": _AXES,
        "Upsample": _upsample,
    }
)
