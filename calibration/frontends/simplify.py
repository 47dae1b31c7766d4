"""One way to write what exporters write in many: rules that leave the results as they are.

Batch normalisation and constants go into the convolution before them; activations that arrive in
pieces become one operator again; nodes that do nothing, or only give axes another look, go or
become Reshape.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from calibration.graph import Change, Graph, Node, Rule, Shape, rewrite
from edge.types import AnyArray

_SQRT2 = 2**0.5


def simplify(graph: Graph) -> Graph:
    """The graph after all rules of this module."""
    return rewrite(graph, *RULES)


# --- nodes that compute nothing ----------------------------------------------------------------


def drop_idle(graph: Graph, node: Node) -> Change | None:
    """A node that gives what it reads disappears."""
    if not node.inputs or len(node.outputs) != 1:
        return None
    source = node.inputs[0]
    shape = graph.shapes.get(source)
    same = shape is not None and shape == graph.shapes.get(node.output)
    match node.op:
        case "Identity":
            idle = True
        case "Cast":
            idle = graph.dtypes.get(source) == graph.dtypes.get(node.output) is not None
        case "Concat":
            idle = len(node.inputs) == 1
        case "Reshape" | "Expand" | "Pad" | "Resize" | "Squeeze" | "Unsqueeze" | "Flatten":
            idle = same
        case "Slice":
            idle = same and all(
                step == 1 for _, _, step in slice_bounds(graph, node) or [(0, 0, 0)]
            )
        case "Transpose":
            idle = same and node.ints("perm", ()) == tuple(range(len(shape or ())))
        case "Mul" | "Div":
            idle = same and _is_all(graph, node.inputs[1], 1)
        case "Add" | "Sub":
            idle = same and _is_all(graph, node.inputs[1], 0)
        case _:
            idle = False
    keeps_input = source in graph.inputs and node.output in graph.outputs
    if not idle or keeps_input:
        return None
    return Change((node,), aliases={node.output: source})


def _is_all(graph: Graph, name: str, value: float) -> bool:
    values = graph.values(name)
    return values is not None and bool((values == value).all())


def to_reshape(graph: Graph, node: Node) -> Change | None:
    """Flatten, Squeeze, Unsqueeze, and Reshape in riddles (0, -1), become a plain Reshape."""
    shape = graph.shapes.get(node.outputs[0])
    if node.op not in ("Flatten", "Squeeze", "Unsqueeze", "Reshape") or shape is None:
        return None
    if node.op == "Reshape":
        asked = graph.values(node.inputs[1])
        if asked is not None and tuple(asked.tolist()) == shape:
            return None
    return _reshape(node, node.inputs[0], shape)


def merge_reshapes(graph: Graph, node: Node) -> Change | None:
    """A Reshape of a Reshape reads what that one read."""
    first = graph.producers.get(node.inputs[0]) if node.op == "Reshape" else None
    if first is None or first.op != "Reshape" or graph.sole_consumer(first.output) is None:
        return None
    return Change((first, node), (replace(node, inputs=(first.inputs[0], node.inputs[1])),))


def gather_to_slice(graph: Graph, node: Node) -> Change | None:
    """Gather of one index along an axis becomes Slice, then Reshape."""
    if node.op != "Gather":
        return None
    index, source = graph.values(node.inputs[1]), graph.shapes.get(node.inputs[0])
    shape = graph.shapes.get(node.output)
    if index is None or index.size != 1 or source is None or shape is None:
        return None
    axis = node.get("axis", 0) % len(source)
    start = int(index.reshape(())) % source[axis]
    constants = {
        f"{node.output}/{name}": np.array([value], np.int64)
        for name, value in (("start", start), ("end", start + 1), ("axis", axis))
    }
    part = f"{node.output}/part"
    cut = Node("Slice", f"{node.name}/part", (node.inputs[0], *constants), (part,))
    sizes = f"{node.output}/shape"
    constants[sizes] = np.array(shape, np.int64)
    return Change(
        (node,), (cut, replace(node, op="Reshape", inputs=(part, sizes), attributes={})), constants
    )


def sized_split(graph: Graph, node: Node) -> Change | None:
    """Split always says the sizes of its parts."""
    shapes = [graph.shapes.get(name) for name in node.outputs]
    if node.op != "Split" or node.input(1) or None in shapes:
        return None
    axis = node.get("axis", 0)
    sizes = f"{node.output}/sizes"
    values = np.array([shape[axis] for shape in shapes if shape is not None], np.int64)
    new = replace(node, inputs=(node.inputs[0], sizes), attributes={"axis": axis})
    return Change((node,), (new,), {sizes: values})


# --- into the convolution ----------------------------------------------------------------------


def fold_batch_norm(graph: Graph, node: Node) -> Change | None:
    """BatchNormalization becomes a factor and a term per channel."""
    if node.op != "BatchNormalization":
        return None
    weights = [graph.values(name) for name in node.inputs[1:5]]
    rank = len(graph.shapes.get(node.inputs[0], ()))
    if any(values is None for values in weights) or rank < 2:
        return None
    gain, bias, mean, variance = (np.asarray(values, np.float64) for values in weights)
    factor = gain / np.sqrt(variance + node.get("epsilon", 1e-5))
    term = bias - mean * factor
    shape = (1, -1, *[1] * (rank - 2))
    names = [f"{node.output}/{part}" for part in ("factor", "scaled", "term")]
    return Change(
        (node,),
        (
            Node("Mul", f"{node.name}/factor", (node.inputs[0], names[0]), (names[1],)),
            Node("Add", node.name, (names[1], names[2]), node.outputs[:1]),
        ),
        {
            names[0]: factor.reshape(shape).astype(np.float32),
            names[2]: term.reshape(shape).astype(np.float32),
        },
    )


def fold_into_convolution(graph: Graph, node: Node) -> Change | None:
    """A constant per channel that is added to, or multiplies, a convolution goes into it."""
    if node.op not in ("Mul", "Div", "Add", "Sub"):
        return None
    operands = [graph.values(name) for name in node.inputs]
    if (operands[0] is None) == (operands[1] is None):
        return None
    side = 0 if operands[0] is not None else 1
    values = operands[side]
    source = node.inputs[1 - side]
    conv = graph.producers.get(source)
    if conv is None or values is None or conv.op not in ("Conv", "ConvTranspose"):
        return None
    if graph.sole_consumer(source) is None or (node.op in ("Div", "Sub") and side == 0):
        return None
    weight = graph.values(conv.inputs[1])
    shape = graph.shapes.get(source)
    if weight is None or shape is None or shape != graph.shapes.get(node.output):
        return None
    column = _per_channel(values, shape)
    if column is None:
        return None
    bias = graph.values(conv.input(2)) if conv.input(2) else np.zeros(shape[1], np.float32)
    if bias is None:
        return None
    bias = bias.astype(np.float64)
    if node.op in ("Mul", "Div"):
        factor = column if node.op == "Mul" else 1 / column
        weight = _scaled(conv, weight.astype(np.float64), factor).astype(np.float32)
        bias = bias * factor
    else:
        bias = bias + (column if node.op == "Add" else -column)
    return _with_weights(conv, node, weight, bias.astype(np.float32))


def fold_term_before_pointwise(graph: Graph, node: Node) -> Change | None:
    """A constant per channel added before a convolution of one pixel goes into its bias."""
    if node.op != "Conv" or graph.producers.get(node.inputs[0]) is None:
        return None
    add = graph.producers[node.inputs[0]]
    weight, shape = graph.values(node.inputs[1]), graph.shapes.get(node.inputs[0])
    if (
        add.op != "Add"
        or graph.sole_consumer(add.output) is None
        or weight is None
        or shape is None
    ):
        return None
    if prod(weight.shape[2:]) != 1 or any(node.ints("pads")) or node.get("group", 1) != 1:
        return None
    side = next((i for i in (0, 1) if graph.values(add.inputs[i]) is not None), None)
    if side is None or graph.shapes.get(add.inputs[1 - side]) != shape:
        return None
    column = _per_channel(graph.constants[add.inputs[side]], shape)
    bias = graph.values(node.input(2)) if node.input(2) else np.zeros(len(weight), np.float32)
    if column is None or bias is None:
        return None
    bias = bias + weight.reshape(weight.shape[:2]).astype(np.float64) @ column
    moved = replace(node, inputs=(add.inputs[1 - side], *node.inputs[1:]))
    return _with_weights(moved, add, weight, bias.astype(np.float32), node.output, node)


def _per_channel(values: AnyArray, shape: Shape) -> AnyArray | None:
    """(C,) float64: the constant for each channel; None where it differs along another axis."""
    full = (1,) * (len(shape) - values.ndim) + values.shape
    if len(full) != len(shape) or any(size != 1 for i, size in enumerate(full) if i != 1):
        return None
    return np.broadcast_to(values.reshape(-1).astype(np.float64), (shape[1],))


def _scaled(conv: Node, weight: AnyArray, factor: AnyArray) -> AnyArray:
    if conv.op == "Conv":
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    groups = conv.get("group", 1)  # (inputs, outputs / groups, ...), groups of inputs in a row
    apart = weight.reshape(groups, -1, *weight.shape[1:])
    return (apart * factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)


def _with_weights(
    conv: Node,
    other: Node,
    weight: AnyArray,
    bias: AnyArray,
    output: str = "",
    old: Node | None = None,
) -> Change:
    """`conv` and `other` as one convolution, under the name of `conv`."""
    output = output or other.output
    names = (f"{output}/weight", f"{output}/bias")
    new = replace(conv, inputs=(conv.inputs[0], *names), outputs=(output,))
    return Change((old or conv, other), (new,), dict(zip(names, (weight, bias), strict=True)))


# --- activations -------------------------------------------------------------------------------


def _other(node: Node, name: str) -> str | None:
    """The second operand of a node that reads `name` once."""
    if len(node.inputs) != 2 or node.inputs.count(name) != 1:
        return None
    return node.inputs[1 - node.inputs.index(name)]


def _inner(graph: Graph, name: str, *ops: str) -> Node | None:
    """The node that gives `name` for a single reader, if it is one of `ops`."""
    node = graph.producers.get(name)
    alone = node is not None and node.op in ops and graph.sole_consumer(name) is not None
    return node if alone else None


def _constant_operand(graph: Graph, node: Node) -> tuple[str, float] | None:
    """Of a node with a scalar constant: the other operand, and the value."""
    for side in (1, 0):
        value = graph.scalar(node.input(side))
        if len(node.inputs) == 2 and value is not None:
            return node.inputs[1 - side], value
    return None


def _near(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= 1e-4 * abs(wanted)


def gated(graph: Graph, node: Node) -> Change | None:
    """X times a function of x: Silu, HardSwish or Mish."""
    if node.op != "Mul" or len(node.inputs) != 2:
        return None
    for gate_name in node.inputs:
        gate = _inner(graph, gate_name, "Sigmoid", "HardSigmoid", "Tanh")
        source = _other(node, gate_name)
        if gate is None or source is None:
            continue
        if gate.inputs[0] == source and gate.op == "Sigmoid":
            return Change((gate, node), (_unary("Silu", node, source),))
        if gate.inputs[0] == source and gate.op == "HardSigmoid":
            slope, middle = gate.get("alpha", 0.2), gate.get("beta", 0.5)
            if _near(slope, 1 / 6) and _near(middle, 0.5):
                return Change((gate, node), (_unary("HardSwish", node, source),))
        soft = _inner(graph, gate.inputs[0], "Softplus")
        if gate.op == "Tanh" and soft is not None and soft.inputs[0] == source:
            return Change((soft, gate, node), (_unary("Mish", node, source),))
    return None


def hard_sigmoid(graph: Graph, node: Node) -> Change | None:
    """clip(x + 3, 0, 6) / 6 is HardSigmoid; x times the clip, then / 6, is HardSwish."""
    scaled = _constant_operand(graph, node) if node.op in ("Div", "Mul") else None
    if scaled is None or not _near(scaled[1], 6 if node.op == "Div" else 1 / 6):
        return None
    if node.op == "Div" and graph.scalar(node.inputs[1]) is None:
        return None
    found = _clipped_shift(graph, scaled[0])
    if found is not None:
        clip, add, source = found
        attributes = {"alpha": 1 / 6, "beta": 0.5}
        new = Node("HardSigmoid", node.name, (source,), node.outputs, attributes)
        return Change((add, clip, node), (new,))
    product = _inner(graph, scaled[0], "Mul")
    for name in product.inputs if product else ():
        found = _clipped_shift(graph, name)
        if product is not None and found is not None and _other(product, name) == found[2]:
            clip, add, source = found
            return Change((add, clip, product, node), (_unary("HardSwish", node, source),))
    return None


def _clipped_shift(graph: Graph, name: str) -> tuple[Node, Node, str] | None:
    """Of clip(x + 3, 0, 6): the two nodes and x."""
    clip = _inner(graph, name, "Clip")
    if clip is None or graph.scalar(clip.input(1)) != 0 or graph.scalar(clip.input(2)) != 6:
        return None
    add = _inner(graph, clip.inputs[0], "Add")
    shifted = _constant_operand(graph, add) if add else None
    if add is None or shifted is None or shifted[1] != 3:
        return None
    return clip, add, shifted[0]


def clip_to_relu(graph: Graph, node: Node) -> Change | None:
    """Clip from 0 without an upper bound is Relu."""
    if node.op != "Clip" or graph.scalar(node.input(1)) != 0:
        return None
    upper = graph.scalar(node.input(2)) if node.input(2) else np.inf
    if upper is None or upper < float(np.finfo(np.float32).max):
        return None
    return Change((node,), (_unary("Relu", node, node.inputs[0]),))


def gelu(graph: Graph, node: Node) -> Change | None:
    """X / 2 * (1 + erf(x / sqrt 2)), in the orders that exporters write, is Gelu."""
    if node.op != "Mul":
        return None
    erf_part, matched, factor = None, [node], 1.0
    operands = list(node.inputs)
    # Collect the product's factors: constants, x, and the part with erf.
    leaves: list[str] = []
    while operands:
        name = operands.pop()
        value = graph.scalar(name)
        inner = _inner(graph, name, "Mul")
        if value is not None:
            factor *= value
        elif inner is not None:
            matched.append(inner)
            operands += inner.inputs
        else:
            leaves.append(name)
    if len(leaves) != 2 or not _near(factor, 0.5):
        return None
    for name in leaves:
        add = _inner(graph, name, "Add")
        shifted = _constant_operand(graph, add) if add else None
        erf = _inner(graph, shifted[0], "Erf") if shifted and shifted[1] == 1 else None
        scale = _inner(graph, erf.inputs[0], "Div", "Mul") if erf else None
        scaled = _constant_operand(graph, scale) if scale else None
        if add and erf and scale and scaled:
            wanted = _SQRT2 if scale.op == "Div" else 1 / _SQRT2
            other = leaves[1 - leaves.index(name)]
            if _near(scaled[1], wanted) and scaled[0] == other:
                erf_part = other
                matched += [add, erf, scale]
    if erf_part is None:
        return None
    return Change(tuple(matched), (_unary("Gelu", node, erf_part),))


def layer_norm(graph: Graph, node: Node) -> Change | None:
    """(x - mean) / sqrt(variance + eps) along the last axis is LayerNormalization."""
    if node.op != "Div":
        return None
    centre, root = graph.producers.get(node.inputs[0]), _inner(graph, node.inputs[1], "Sqrt")
    add = _inner(graph, root.inputs[0], "Add") if root else None
    shifted = _constant_operand(graph, add) if add else None
    spread = _inner(graph, shifted[0], "ReduceMean") if shifted else None
    square = _inner(graph, spread.inputs[0], "Pow", "Mul") if spread else None
    if centre is None or centre.op != "Sub" or square is None or spread is None or shifted is None:
        return None
    squares = square.op == "Pow" and graph.scalar(square.inputs[1]) == 2
    if square.inputs[0] != centre.output or not (squares or square.inputs[1] == centre.output):
        return None
    mean = _inner(graph, centre.inputs[1], "ReduceMean")
    if mean is None or mean.inputs[0] != centre.inputs[0] or root is None or add is None:
        return None
    if len(graph.consumers[centre.output]) != 2 or centre.output in graph.outputs:
        return None
    shape = graph.shapes.get(node.output)
    if shape is None or any(_reduced(graph, r) != (len(shape) - 1,) for r in (mean, spread)):
        return None
    gain = f"{node.output}/gain"
    new = Node(
        "LayerNormalization",
        node.name,
        (mean.inputs[0], gain),
        node.outputs,
        {"axis": -1, "epsilon": shifted[1]},
    )
    old = (mean, centre, square, spread, add, root, node)
    return Change(old, (new,), {gain: np.ones(shape[-1], np.float32)})


def layer_norm_affine(graph: Graph, node: Node) -> Change | None:
    """A factor, then a term, along the last axis go into the LayerNormalization before them."""
    if node.op not in ("Mul", "Add") or len(node.inputs) != 2:
        return None
    side = next((i for i in (0, 1) if graph.values(node.inputs[i]) is not None), None)
    norm = _inner(graph, node.inputs[1 - side], "LayerNormalization") if side is not None else None
    if norm is None or side is None:
        return None
    gain, values = graph.values(norm.inputs[1]), graph.constants[node.inputs[side]].reshape(-1)
    if gain is None or values.shape != gain.shape:
        return None
    if node.op == "Mul" and not norm.input(2):
        name = f"{node.output}/gain"
        new = replace(norm, inputs=(norm.inputs[0], name), outputs=node.outputs)
        return Change((norm, node), (new,), {name: (gain * values).astype(np.float32)})
    if node.op == "Add" and not norm.input(2):
        name = f"{node.output}/bias"
        new = replace(norm, inputs=(*norm.inputs[:2], name), outputs=node.outputs)
        return Change((norm, node), (new,), {name: values.astype(np.float32)})
    return None


def _unary(op: str, node: Node, source: str) -> Node:
    return Node(op, node.name, (source,), node.outputs)


# --- others ------------------------------------------------------------------------------------


def to_global_pool(graph: Graph, node: Node) -> Change | None:
    """The mean over height and width, however written, is GlobalAveragePool."""
    shape = graph.shapes.get(node.inputs[0]) if node.inputs else None
    out = graph.shapes.get(node.outputs[0])
    if shape is None or out is None or len(shape) != 4:
        return None
    reduced = node.op == "ReduceMean" and _reduced(graph, node) == (2, 3)
    whole = node.op == "AveragePool" and node.ints("kernel_shape") == shape[2:]
    if not reduced and not (whole and out[2:] == (1, 1) and not any(node.ints("pads"))):
        return None
    if len(out) == 4:
        return Change((node,), (_unary("GlobalAveragePool", node, node.inputs[0]),))
    pooled, sizes = f"{node.output}/pooled", f"{node.output}/shape"
    pool = Node("GlobalAveragePool", f"{node.name}/pooled", node.inputs[:1], (pooled,))
    flat = replace(node, op="Reshape", inputs=(pooled, sizes), attributes={})
    return Change((node,), (pool, flat), {sizes: np.array(out, np.int64)})


def channel_shuffle(graph: Graph, node: Node) -> Change | None:
    """Channels taken apart, turned and put together again are ChannelShuffle."""
    turned = _inner(graph, node.inputs[0], "Transpose") if node.op == "Reshape" else None
    apart = _inner(graph, turned.inputs[0], "Reshape") if turned else None
    if turned is None or apart is None or turned.ints("perm", ()) != (0, 2, 1, 3, 4):
        return None
    shape, parts = graph.shapes.get(apart.inputs[0]), graph.shapes.get(apart.output)
    if shape is None or parts is None or graph.shapes.get(node.output) != shape:
        return None
    if len(shape) != 4 or parts != (shape[0], parts[1], shape[1] // parts[1], *shape[2:]):
        return None
    new = Node("ChannelShuffle", node.name, apart.inputs[:1], node.outputs, {"groups": parts[1]})
    return Change((apart, turned, node), (new,))


def gemm_to_matmul(graph: Graph, node: Node) -> Change | None:
    """Gemm with a constant matrix becomes MatMul, then Add."""
    if node.op != "Gemm" or node.get("transA", 0):
        return None
    matrix = graph.values(node.inputs[1])
    term = graph.values(node.input(2))
    if matrix is None or (node.input(2) and term is None):
        return None
    matrix = (matrix.T if node.get("transB", 0) else matrix) * np.float32(node.get("alpha", 1.0))
    names = [f"{node.output}/{part}" for part in ("matrix", "product", "term")]
    constants = {names[0]: np.ascontiguousarray(matrix, np.float32)}
    if term is None:
        new = replace(node, op="MatMul", inputs=(node.inputs[0], names[0]), attributes={})
        return Change((node,), (new,), constants)
    constants[names[2]] = term.reshape(-1) * np.float32(node.get("beta", 1.0))
    return Change(
        (node,),
        (
            Node("MatMul", node.name, (node.inputs[0], names[0]), (names[1],)),
            Node("Add", f"{node.name}/term", (names[1], names[2]), node.outputs),
        ),
        constants,
    )


def focus(graph: Graph, node: Node) -> Change | None:
    """Four pictures of every second pixel, side by side and convolved: one convolution.

    It has twice the kernel and a stride of two; the phases of the pixels are in its kernel.
    """
    concat = _inner(graph, node.inputs[0], "Concat") if node.op == "Conv" else None
    weight = graph.values(node.inputs[1]) if concat else None
    if concat is None or weight is None or len(concat.inputs) != 4 or node.get("group", 1) != 1:
        return None
    plain = all(step == 1 for name in ("strides", "dilations") for step in node.get(name, (1,)))
    if not plain or concat.get("axis", 1) != 1:
        return None
    old, phases, sources = [node, concat], [], set()
    for name in concat.inputs:
        steps = [(0, 1), (0, 1), (0, 1), (0, 1)]
        while (cut := _inner(graph, name, "Slice")) is not None:
            bounds = slice_bounds(graph, cut)
            if bounds is None or len(bounds) != 4:
                return None
            for axis, (start, stop, step) in enumerate(bounds):
                size = graph.shapes[cut.inputs[0]][axis]
                if (
                    step not in (1, 2)
                    or start >= step
                    or -(-(size - start) // step) != -(-(stop - start) // step)
                ):
                    return None
                if step == 2:
                    steps[axis] = (start, 2)
            old.append(cut)
            name = cut.inputs[0]
        if steps[:2] != [(0, 1)] * 2 or [step for _, step in steps[2:]] != [2, 2]:
            return None
        phases.append((steps[2][0], steps[3][0]))
        sources.add(name)
    if len(sources) != 1 or len(set(phases)) != 4:
        return None
    source = sources.pop()
    height, width = graph.shapes[source][2:]
    if height % 2 or width % 2:
        return None
    outputs, _, kernel_h, kernel_w = weight.shape
    channels = graph.shapes[source][1]
    grown = np.zeros((outputs, channels, 2 * kernel_h, 2 * kernel_w), np.float32)
    for index, (row, column) in enumerate(phases):
        part = weight[:, index * channels : (index + 1) * channels]
        grown[:, :, row::2, column::2] = part
    name = f"{node.output}/weight"
    pads = tuple(2 * pad for pad in node.ints("pads", (0, 0, 0, 0)))
    attributes = {
        **node.attributes,
        "kernel_shape": grown.shape[2:],
        "strides": (2, 2),
        "pads": pads,
    }
    new = replace(node, inputs=(source, name, *node.inputs[2:]), attributes=attributes)
    return Change(tuple(old), (new,), {name: grown})


def slice_bounds(graph: Graph, node: Node) -> list[tuple[int, int, int]] | None:
    """Of a Slice: start, stop and step along every axis, from 0 up; None where they are unknown."""
    shape = graph.shapes.get(node.inputs[0])
    given = [graph.values(name) for name in node.inputs[1:]]
    if shape is None or len(given) < 2 or given[0] is None or given[1] is None:
        return None
    starts, ends = given[0].tolist(), given[1].tolist()
    axes = given[2].tolist() if len(given) > 2 and given[2] is not None else range(len(starts))
    steps = given[3].tolist() if len(given) > 3 and given[3] is not None else [1] * len(starts)
    bounds = [(0, size, 1) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            return None
        bounds[axis] = slice(start, end, step).indices(shape[axis])
    return bounds


def _reduced(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The axes of a reduction, from 0 up; None where they are unknown."""
    shape, axes = graph.shapes.get(node.inputs[0]), graph.values(node.input(1))
    if shape is None or axes is None:
        return None
    return tuple(sorted(int(axis) % len(shape) for axis in axes.reshape(-1)))


def _reshape(node: Node, source: str, shape: Shape) -> Change:
    sizes = f"{node.output}/shape"
    new = replace(node, op="Reshape", inputs=(source, sizes), attributes={})
    return Change((node,), (new,), {sizes: np.array(shape, np.int64)})


RULES: tuple[Rule, ...] = (
    drop_idle,
    to_reshape,
    merge_reshapes,
    gather_to_slice,
    sized_split,
    fold_batch_norm,
    fold_into_convolution,
    fold_term_before_pointwise,
    gated,
    hard_sigmoid,
    clip_to_relu,
    gelu,
    layer_norm,
    layer_norm_affine,
    to_global_pool,
    channel_shuffle,
    gemm_to_matmul,
    focus,
)
