"""Pooling, shuffling, products, windows and the focus layer, in the form that runtimes have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.frontends.simplify.matching import reduced_axes, slice_bounds, sole_producer, unary
from calibration.graph import Change, Graph, Node
from edge.types import AnyArray


def to_global_pool(graph: Graph, node: Node) -> Change | None:
    """The mean over height and width, however written, is GlobalAveragePool."""
    shape = graph.shapes.get(node.inputs[0]) if node.inputs else None
    out = graph.shapes.get(node.outputs[0])
    if shape is None or out is None or len(shape) != 4:
        return None
    reduced = node.op == "ReduceMean" and reduced_axes(graph, node) == (2, 3)
    whole = node.op == "AveragePool" and node.ints("kernel_shape") == shape[2:]
    if not reduced and not (whole and out[2:] == (1, 1) and not any(node.ints("pads"))):
        return None
    if len(out) == 4:
        return Change((node,), (unary("GlobalAveragePool", node, node.inputs[0]),))
    pooled, sizes = f"{node.output}/pooled", f"{node.output}/shape"
    pool = Node("GlobalAveragePool", f"{node.name}/pooled", node.inputs[:1], (pooled,))
    flat = replace(node, op="Reshape", inputs=(pooled, sizes), attributes={})
    return Change((node,), (pool, flat), {sizes: np.array(out, np.int64)})


def channel_shuffle(graph: Graph, node: Node) -> Change | None:
    """Channels taken apart, turned and put together again are ChannelShuffle."""
    turned = sole_producer(graph, node.inputs[0], "Transpose") if node.op == "Reshape" else None
    apart = sole_producer(graph, turned.inputs[0], "Reshape") if turned else None
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
    """Four images of every second pixel, side by side and convolved: one convolution.

    It has twice the kernel and a stride of two; the phases of the pixels are in its kernel.
    """
    concat = sole_producer(graph, node.inputs[0], "Concat") if node.op == "Conv" else None
    weight = graph.values(node.inputs[1]) if concat else None
    if concat is None or weight is None or len(concat.inputs) != 4 or node.get("group", 1) != 1:
        return None
    plain = all(step == 1 for name in ("strides", "dilations") for step in node.get(name, (1,)))
    if not plain or concat.get("axis", 1) != 1:
        return None
    old, phases, sources = [node, concat], [], set()
    for name in concat.inputs:
        steps = [(0, 1), (0, 1), (0, 1), (0, 1)]
        while (cut := sole_producer(graph, name, "Slice")) is not None:
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


def unfold(graph: Graph, node: Node) -> Change | None:
    """The windows of an image, gathered by rows and by columns: a convolution that picks pixels.

    So torch exports `unfold`. The convolution is depthwise; each of its kernels is 1 in one place.
    """
    turned = node.op == "Transpose" and node.ints("perm", ()) == (0, 1, 2, 4, 3, 5)
    columns = sole_producer(graph, node.inputs[0], "Gather") if turned else None
    rows = sole_producer(graph, columns.inputs[0], "Gather") if columns else None
    if columns is None or rows is None or (rows.get("axis", 0), columns.get("axis", 0)) != (2, 4):
        return None
    shape = graph.shapes.get(rows.inputs[0], ())
    steps = [_window(graph.values(gather.inputs[1])) for gather in (rows, columns)]
    if len(shape) != 4 or None in steps:
        return None
    (high, tall, *down), (wide, long, *right) = (step for step in steps if step is not None)
    strides, dilations = zip(down, right, strict=True)
    fit = [
        (size - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, dilation in zip(
            shape[2:], (high, wide), strides, dilations, strict=True
        )
    ]
    if fit != [tall, long]:
        return None
    channels, kernel = shape[1], high * wide
    picks = np.tile(np.eye(kernel, dtype=np.float32), (channels, 1))
    names = [f"{node.output}/{part}" for part in ("picks", "windows", "shape")]
    constants: dict[str, AnyArray] = {
        names[0]: picks.reshape(channels * kernel, 1, high, wide),
        names[2]: np.array(graph.shapes[node.output], np.int64),
    }
    picked = Node(
        "Conv",
        f"{node.name}/windows",
        (rows.inputs[0], names[0]),
        (names[1],),
        {
            "group": channels,
            "kernel_shape": (high, wide),
            "strides": strides,
            "dilations": dilations,
            "pads": (0, 0, 0, 0),
        },
    )
    apart = replace(node, op="Reshape", inputs=(names[1], names[2]), attributes={})
    return Change((rows, columns, node), (picked, apart), constants)


def _window(index: AnyArray | None) -> tuple[int, int, int, int] | None:
    """Of indices (places in the window, windows): their counts, stride and dilation."""
    if index is None or index.ndim != 2:
        return None
    places, windows = index.shape
    stride = int(index[0, 1] - index[0, 0]) if windows > 1 else 1
    dilation = int(index[1, 0] - index[0, 0]) if places > 1 else 1
    expected = dilation * np.arange(places)[:, None] + stride * np.arange(windows)
    regular = min(stride, dilation) > 0 and np.array_equal(index, expected)
    return (places, windows, stride, dilation) if regular else None
