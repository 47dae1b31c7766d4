"""The graph that is quantized: the same for every target, so that names mean one thing.

Given a canonical graph that ends at its raw heads. No result changes but by the rounding of sums.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from calibration.graph import Attribute, Change, Graph, Node, rewrite
from edge.types import AnyArray


def prepare(graph: Graph) -> Graph:
    """The graph with every convolution in a form that all runtimes have in INT8."""
    return rewrite(graph, transposed_to_depth_to_space)


def transposed_to_depth_to_space(graph: Graph, node: Node) -> Change | None:
    """ConvTranspose of 2x2 with stride 2 becomes a 1x1 convolution and DepthToSpace.

    Each output pixel has one input pixel then, and no runtime but TFLite has the first in INT8.
    """
    if node.op != "ConvTranspose":
        return None
    weight = graph.values(node.inputs[1])
    if weight is None or weight.shape[2:] != (2, 2) or node.ints("strides") != (2, 2):
        return None
    plain = (
        node.get("group", 1) == 1
        and not any(node.ints("pads"))
        and not any(node.ints("output_padding"))
        and set(node.ints("dilations")) <= {1}
        and "output_shape" not in node.attributes
        and node.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    )
    bias = graph.values(node.input(2))
    if not plain or (bias is None and node.input(2)):
        return None
    apart = f"{node.output}/apart"
    constants = {f"{apart}/weight": _pointwise(weight)}
    if bias is not None:
        constants[f"{apart}/bias"] = np.tile(bias, 4)  # DCR: the place in the block comes first
    conv = Node("Conv", f"{node.name}/pointwise", (node.inputs[0], *constants), (apart,))
    block: dict[str, Attribute] = {"blocksize": 2, "mode": "DCR"}
    spread = Node("DepthToSpace", node.name, (apart,), node.outputs, MappingProxyType(block))
    return Change((node,), (conv, spread), constants)


def _pointwise(weight: AnyArray) -> AnyArray:
    """(I, O, 2, 2) to (4 O, I, 1, 1), the rows and columns of the block before the channel."""
    inputs, outputs = weight.shape[:2]
    rows: AnyArray = weight.transpose(2, 3, 1, 0).reshape(4 * outputs, inputs, 1, 1)
    return np.ascontiguousarray(rows)
