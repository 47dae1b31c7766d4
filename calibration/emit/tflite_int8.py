"""What a plan is in TensorFlow Lite: which operators take codes, and a layer's weights and biases.

An operator computes on codes if all its tensors are codes. Source: the TensorFlow Lite 8-bit
quantization specification.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.emit.base import CannotEmitError
from calibration.emit.onnxruntime_int8 import bias_scales, whole_bias
from calibration.emit.tflite_model import TfliteModel
from calibration.graph import Graph, Node
from calibration.quant.plan.plan import Plan, QuantParams
from calibration.runtimes.tflite import RUNTIME

_SAME_GRID = frozenset(
    {
        "ChannelShuffle",
        "Concat",
        "DepthToSpace",
        "Identity",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "Split",
        "Transpose",
    }
)
_TWO_GRIDS = frozenset({"HardSwish", "LeakyRelu", "Relu"})


def check_moves(plan: Plan, graph: Graph) -> None:
    """Check that TensorFlow Lite computes on codes what a plan says beside its layers.

    Raises:
        CannotEmitError: It does not; names the nodes.
    """
    nodes = [node for node in graph.nodes if node.name in plan.pass_through]
    reasons = {str(node): _objection(plan, graph, node) for node in nodes}
    refused = {node: reason for node, reason in reasons.items() if reason}
    if refused:
        raise CannotEmitError(RUNTIME.name, refused)


def layer_name(_: Graph, __: Plan, node: Node) -> str:
    """What a convolution is known by in the file: its weight, since operators have no names."""
    return f"{node.output}/weight"


def _objection(plan: Plan, graph: Graph, node: Node) -> str:
    if node.op not in _SAME_GRID | _TWO_GRIDS:
        return "it is not written on codes"
    names = node.inputs if node.op == "Concat" else node.inputs[:1]
    if any(name in graph.constants for name in names):
        return "it reads a constant, which has no codes"
    grids = {plan.tensors[name] for name in (*names, *node.outputs)}
    if node.op in _SAME_GRID and len(grids) > 1:
        return "its tensors have different grids"
    return ""


def parameters(
    model: TfliteModel, plan: Plan, node: Node, order: Sequence[int], axis: int
) -> tuple[int, int]:
    """The numbers of a layer's weight and bias.

    Args:
        model: That they are added to.
        plan: Has the layer.
        node: The convolution.
        order: Of the weight's axes, in those of the graph.
        axis: Of the output channels, after that.
    """
    layer, source = plan.layers[node.name], plan.tensors[node.inputs[0]]
    weight = model.codes(
        layer.weight.transpose(order), f"{node.output}/weight", layer.weight_scales, axis=axis
    )
    bias = model.codes(whole_bias(layer, source), f"{node.output}/bias", bias_scales(layer, source))
    return weight, bias


def code(value: float, grid: QuantParams) -> int:
    """The code nearest to a value."""
    return int(np.clip(np.rint(value / grid.scale) + grid.zero_point, -128, 127))
