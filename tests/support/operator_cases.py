"""Small networks for tests: each an ONNX file of a few operators with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

SHAPE = (1, 8, 12, 16)


@dataclass
class Builder:
    """An ONNX graph in the making: `y = b.op("Relu", x)`."""

    seed: int = 0
    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)

    def op(self, kind, *inputs, outputs=1, name=None, **attributes):
        names = [x if isinstance(x, str) else self.const(x) for x in inputs]
        name = name or f"{kind}_{len(self.nodes)}"
        made = [name if i == 0 else f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, f"node_{name}", **attributes))
        return made[0] if outputs == 1 else made

    def const(self, values):
        name = f"const_{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def float_layers(self, *shape, scale=1.0):
        return (self.random.standard_normal(shape) * scale).astype(np.float32)

    def conv(self, x, inputs, outputs, kernel=1, *, group=1, bias=True, name=None, **attributes):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        spread = 1 / np.sqrt(inputs * np.prod(kernel) / group)
        weight = self.float_layers(outputs, inputs // group, *kernel, scale=spread)
        more = [self.float_layers(outputs, scale=0.3)] if bias else []
        return self.op(
            "Conv", x, weight, *more, group=group, kernel_shape=kernel, name=name, **attributes
        )

    def model(self, outputs, shape=SHAPE, opset=17, metadata=None, more_inputs=None):
        inputs = {"images": shape} | (more_inputs or {})
        graph = helper.make_graph(
            self.nodes,
            "test",
            [
                helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
                for n, s in inputs.items()
            ],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        helper.set_model_props(model, metadata or {})
        onnx.checker.check_model(model)
        return model.SerializeToString()


@dataclass(frozen=True)
class Case:
    """One operator, or one form of it: from the builder and the input's name to the outputs."""

    make: Callable[[Builder, str], str | list[str]]
    shape: tuple[int, ...] = SHAPE
    opset: int = 17

    def content(self) -> bytes:
        builder = Builder()
        outputs = self.make(builder, "images")
        outputs = [outputs] if isinstance(outputs, str) else outputs
        return builder.model(outputs, self.shape, self.opset)


def _conv(*args, **kwargs):
    return Case(lambda b, x: b.conv(x, 8, *args, **kwargs))


def _unary(kind, *constants, opset=17, **attributes):
    return Case(lambda b, x: b.op(kind, x, *constants, **attributes), opset=opset)


def _with_constant(kind, constant):
    return Case(lambda b, x: b.op(kind, b.op("Abs", x), constant(b)))


def _silu(b, x):
    return b.op("Mul", x, b.op("Sigmoid", x))


def _squeeze_excite(b, x):
    x = b.conv(x, 8, 8)
    small = b.op("Relu", b.conv(b.op("GlobalAveragePool", x), 8, 4))
    return b.op("Mul", x, b.op("HardSigmoid", b.conv(small, 4, 8), alpha=1 / 6, beta=0.5))


def _pool(kind, kernel, stride, pad, opset=17, **attributes):
    sizes = {"kernel_shape": (kernel, kernel), "strides": (stride, stride), "pads": (pad,) * 4}
    return _unary(kind, opset=opset, **sizes, **attributes)


def _transposed(group=1, kernel=2, stride=2, pad=0, **attributes):
    def make(b, x):
        weight = b.float_layers(8, 6 // group, kernel, kernel, scale=0.3)
        sizes = {"strides": (stride, stride), "kernel_shape": (kernel, kernel), "pads": (pad,) * 4}
        return b.op(
            "ConvTranspose", x, weight, b.float_layers(6), group=group, **sizes, **attributes
        )

    return Case(make)


def _resize(mode, where, factor=2.0, **attributes):
    scales = np.array([1, 1, factor, factor], np.float32)
    attributes |= {"mode": mode, "coordinate_transformation_mode": where}
    return Case(lambda b, x: b.op("Resize", x, "", scales, **attributes))


def _batch_norm(b, x):
    mean, variance = b.float_layers(8), np.abs(b.float_layers(8)) + 0.5
    return b.op("BatchNormalization", x, b.float_layers(8), b.float_layers(8), mean, variance)


def _implicit_knowledge(b, x):
    y = b.conv(b.op("Add", b.float_layers(1, 8, 1, 1), b.op("Relu", x)), 8, 6)
    return b.op("Mul", y, b.float_layers(1, 6, 1, 1))


def _three_readers(b, x):
    y = b.conv(x, 8, 4)
    return b.op("Concat", y, b.op("Relu", y), b.op("Neg", y), axis=1)


def _to_itself(b, x):
    y = b.conv(x, 8, 8)
    return b.op("Add", y, y)


def _hard_swish_pieces(b, x):
    clipped = b.op("Clip", b.op("Add", x, np.float32(3)), np.float32(0), np.float32(6))
    return b.op("Div", b.op("Mul", x, clipped), np.float32(6))


def _hard_sigmoid_pieces(b, x):
    clipped = b.op("Clip", b.op("Add", x, np.float32(3)), np.float32(0), np.float32(6))
    return b.op("Mul", x, b.op("Div", clipped, np.float32(6)))


def _gelu_pieces(b, x):
    shifted = b.op("Add", b.op("Erf", b.op("Div", x, np.float32(2**0.5))), np.float32(1))
    return b.op("Mul", b.op("Mul", x, shifted), np.float32(0.5))


def _shuffle(b, x):
    parts = b.op("Reshape", b.conv(x, 8, 8), np.array([1, 2, 4, *SHAPE[2:]]))
    turned = b.op("Transpose", parts, perm=(0, 2, 1, 3, 4))
    return b.op("Relu", b.op("Reshape", turned, np.array(SHAPE)))


def _slice(b, x, start, end, axis, step=1):
    return b.op("Slice", x, *(np.array([value]) for value in (start, end, axis, step)))


def _focus(b, x):
    corners = ((0, 0), (1, 0), (0, 1), (1, 1))
    parts = [_slice(b, _slice(b, x, r, 999, 2, 2), c, 999, 3, 2) for r, c in corners]
    return b.conv(b.op("Concat", *parts, axis=1), 32, 6, 3, pads=(1, 1, 1, 1))


def _unfold(b, x, high, wide, stride=1, dilation=1):
    """Windows as torch exports `unfold`; the image is 12x16."""
    windows = []
    for size, kernel in ((12, high), (16, wide)):
        count = (size - dilation * (kernel - 1) - 1) // stride + 1
        windows.append(dilation * np.arange(kernel)[:, None] + stride * np.arange(count))
    rows = b.op("Gather", x, windows[0], axis=2)
    apart = b.op("Transpose", b.op("Gather", rows, windows[1], axis=4), perm=(0, 1, 2, 4, 3, 5))
    return b.op("Reshape", apart, np.array([1, 8 * high * wide, -1]))


def _focal_distribution(b, x):
    parts = b.op("Reshape", b.conv(x, 8, 32), np.array([1, 4, 8, 192]))
    chances = b.op("Softmax", b.op("Transpose", parts, perm=(0, 2, 1, 3)), axis=1)
    return b.op("Conv", chances, np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1))


def _flat_linear(b, x):
    flat = b.op("Flatten", b.conv(x, 8, 2))
    return b.op("Gemm", flat, b.float_layers(10, 384, scale=0.1), b.float_layers(10), transB=1)


def _patches(b, x):
    """An image to tokens with a class token in front, as in vision transformers."""
    tokens = b.op("Reshape", b.conv(x, 8, 16, 4, strides=(4, 4)), np.array([1, 16, 12]))
    tokens = b.op("Transpose", tokens, perm=(0, 2, 1))
    tokens = b.op("Concat", b.float_layers(1, 1, 16), tokens, axis=1)
    return b.op("Add", tokens, b.float_layers(1, 13, 16))


def _windows(b, x):
    """Attention in windows of 4x4 pixels of an (8, 12, 16) image."""
    apart, order = np.array([1, 3, 4, 4, 4, 8]), (0, 1, 3, 2, 4, 5)
    tall = b.op("Reshape", b.op("Transpose", x, perm=(0, 2, 3, 1)), apart)
    windows = b.op("Reshape", b.op("Transpose", tall, perm=order), np.array([12, 16, 8]))
    scores = b.op("MatMul", windows, b.op("Transpose", windows, perm=(0, 2, 1)))
    windows = b.op("MatMul", b.op("Softmax", scores, axis=-1), windows)
    tall = b.op("Transpose", b.op("Reshape", windows, apart), perm=order)
    whole = b.op("Reshape", tall, np.array([1, 12, 16, 8]))
    return b.op("Transpose", whole, perm=(0, 3, 1, 2))


def _on_tokens(make):
    """Operators on 24 tokens of 16 numbers, made from an image (1, 16, 4, 6)."""

    def whole(b, x):
        flat = b.op("Reshape", x, np.array([1, 16, 24]))
        return make(b, b.op("Transpose", flat, perm=(0, 2, 1)))

    return Case(whole, (1, 16, 4, 6))


def _linear(b, x, outputs=16):
    product = b.op("MatMul", x, b.float_layers(16, outputs, scale=0.25))
    return b.op("Add", product, b.float_layers(outputs))


def _attention(b, x):
    q, k, v = (
        b.op("Transpose", b.op("Reshape", _linear(b, x), np.array([1, 24, 4, 4])), perm=order)
        for order in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    )
    scores = b.op("Mul", b.op("MatMul", q, k), np.float32(0.5))
    mixed = b.op("MatMul", b.op("Softmax", scores, axis=-1), v)
    return b.op("Reshape", b.op("Transpose", mixed, perm=(0, 2, 1, 3)), np.array([1, 24, 16]))


def _packed_attention(b, x):
    """As vision transformers export it: query, key and value out of one matrix."""
    qkv = b.op("Reshape", _linear(b, x, 48), np.array([1, 24, 3, 4, 4]))
    qkv = b.op("Transpose", qkv, perm=(2, 0, 3, 1, 4))
    q, k, v = (b.op("Gather", qkv, np.array(i), axis=0) for i in range(3))
    scores = b.op("MatMul", q, b.op("Transpose", k, perm=(0, 1, 3, 2)))
    mixed = b.op("MatMul", b.op("Softmax", scores, axis=-1), v)
    return b.op("Reshape", b.op("Transpose", mixed, perm=(0, 2, 1, 3)), np.array([1, 24, 16]))


def _layer_norm_pieces(b, x):
    centered = b.op("Sub", x, b.op("ReduceMean", x, axes=(-1,)))
    spread = b.op("ReduceMean", b.op("Pow", centered, np.float32(2)), axes=(-1,))
    root = b.op("Sqrt", b.op("Add", spread, np.float32(1e-5)))
    return b.op(
        "Add", b.op("Mul", b.op("Div", centered, root), b.float_layers(16)), b.float_layers(16)
    )


OPERATORS: Mapping[str, Case] = {
    "conv 1x1": _conv(6),
    "conv 1x1 without bias": _conv(6, bias=False),
    "conv 3x3": _conv(6, 3, pads=(1, 1, 1, 1)),
    "conv 3x3 stride 2": _conv(6, 3, pads=(1, 1, 1, 1), strides=(2, 2)),
    "conv 3x3 without padding": _conv(6, 3),
    "conv 5x3 with uneven padding": _conv(6, (5, 3), pads=(0, 1, 3, 2)),
    "conv with uneven stride": _conv(6, 3, pads=(1, 1, 1, 1), strides=(2, 1)),
    "conv 6x6 stride 2": _conv(6, 6, pads=(2, 2, 2, 2), strides=(2, 2)),
    "conv dilated": _conv(6, 3, pads=(2, 2, 2, 2), dilations=(2, 2)),
    "conv grouped": _conv(12, 3, pads=(1, 1, 1, 1), group=4),
    "conv depthwise": _conv(8, 3, pads=(1, 1, 1, 1), group=8),
    "conv depthwise stride 2": _conv(8, 5, pads=(2, 2, 2, 2), strides=(2, 2), group=8),
    "conv depthwise, two outputs each": _conv(16, 3, pads=(1, 1, 1, 1), group=8),
    "conv transposed": _transposed(),
    "conv transposed 4x4": _transposed(kernel=4, pad=1),
    "conv transposed grouped": _transposed(group=2),
    "batch norm after conv": Case(lambda b, x: _batch_norm(b, b.conv(x, 8, 8, bias=False))),
    "batch norm": Case(_batch_norm),
    "implicit knowledge": Case(_implicit_knowledge),
    "max pool 2": _pool("MaxPool", 2, 2, 0),
    "max pool 3 stride 2": _pool("MaxPool", 3, 2, 1),
    "max pool 5": _pool("MaxPool", 5, 1, 2),
    "max pool 9": _pool("MaxPool", 9, 1, 4),
    "max pool 13": _pool("MaxPool", 13, 1, 6),
    "max pool ceil": _pool("MaxPool", 3, 2, 0, ceil_mode=1),
    "average pool": _pool("AveragePool", 3, 2, 0),
    "average pool, padding counted": _pool("AveragePool", 3, 1, 1, count_include_pad=1),
    "average pool, padding not counted": _pool("AveragePool", 3, 1, 1),
    "global average pool": _unary("GlobalAveragePool"),
    "mean over the image": _unary("ReduceMean", axes=(2, 3), keepdims=0),
    "squeeze and excite": Case(_squeeze_excite),
    "squeeze and excite of a cube": Case(_squeeze_excite, (1, 8, 8, 8)),
    "resize nearest": _resize("nearest", "asymmetric", nearest_mode="floor"),
    "resize nearest, half pixels": _resize("nearest", "half_pixel"),
    "resize nearest x3": _resize("nearest", "asymmetric", 3.0, nearest_mode="floor"),
    "resize linear": _resize("linear", "half_pixel"),
    "resize linear, corners aligned": _resize("linear", "align_corners"),
    "upsample of opset 9": _unary(
        "Upsample", np.array([1, 1, 2, 2], np.float32), opset=9, mode="nearest"
    ),
    "concat": Case(lambda b, x: b.op("Concat", x, b.conv(x, 8, 4), axis=1)),
    "concat, three readers of one": Case(_three_readers),
    "add": Case(lambda b, x: b.op("Add", x, b.conv(x, 8, 8))),
    "add to itself": Case(_to_itself),
    "mul of unlike shapes": Case(lambda b, x: b.op("Mul", b.conv(x, 8, 8), b.conv(x, 8, 1))),
    "mul by a number": _with_constant("Mul", lambda b: np.float32(1.7)),
    "add a constant per channel": _with_constant("Add", lambda b: b.float_layers(1, 8, 1, 1)),
    "add a constant per column": _with_constant("Add", lambda b: b.float_layers(16)),
    "add a constant image": _with_constant("Add", lambda b: b.float_layers(1, 1, 12, 16)),
    "subtract a constant": _with_constant("Sub", lambda b: b.float_layers(8, 12, 16)),
    "divide by a constant": _with_constant("Div", lambda b: np.abs(b.float_layers(1, 8, 1, 1)) + 1),
    "power": _with_constant("Pow", lambda b: np.float32(2)),
    "subtract from a constant": Case(lambda b, x: b.op("Sub", np.float32(1.5), x)),
    "divide a constant": Case(lambda b, x: b.op("Div", np.float32(2), b.op("Exp", x))),
    "max of two": Case(lambda b, x: b.op("Max", x, b.op("Neg", x))),
    "min of two": Case(lambda b, x: b.op("Min", x, b.conv(x, 8, 8))),
    "relu": _unary("Relu"),
    "leaky relu": _unary("LeakyRelu", alpha=0.1),
    "conv with relu": Case(lambda b, x: b.op("Relu", b.conv(x, 8, 8, 3))),
    "conv with leaky relu": Case(lambda b, x: b.op("LeakyRelu", b.conv(x, 8, 8), alpha=0.1)),
    "conv with relu6": Case(
        lambda b, x: b.op("Clip", b.conv(x, 8, 8, 3), np.float32(0), np.float32(6))
    ),
    "conv with silu": Case(lambda b, x: _silu(b, b.conv(x, 8, 8, 3))),
    "prelu": Case(lambda b, x: b.op("PRelu", x, b.float_layers(8, 1, 1))),
    "clip": _unary("Clip", np.float32(-0.5), np.float32(0.75)),
    "clip from below": _unary("Clip", np.float32(0)),
    "clip of opset 9": _unary("Clip", opset=9, min=0.0, max=6.0),
    "elu": _unary("Elu", alpha=0.7),
    "sigmoid": _unary("Sigmoid"),
    "silu": Case(_silu),
    "hard swish": _unary("HardSwish"),
    "hard swish in pieces": Case(_hard_swish_pieces),
    "hard swish in other pieces": Case(_hard_sigmoid_pieces),
    "hard sigmoid": _unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    "mish": Case(lambda b, x: b.op("Mul", x, b.op("Tanh", b.op("Softplus", x)))),
    "tanh": _unary("Tanh"),
    "softplus": _unary("Softplus"),
    "exp": _unary("Exp"),
    "square root": Case(lambda b, x: b.op("Sqrt", b.op("Abs", x))),
    "logarithm": Case(lambda b, x: b.op("Log", b.op("Exp", x))),
    "gelu in pieces": Case(_gelu_pieces),
    "softmax over channels": _unary("Softmax", axis=1),
    "softmax over columns": _unary("Softmax", axis=3),
    "split": Case(lambda b, x: b.op("Split", x, np.array([3, 5]), axis=1, outputs=2)),
    "split of opset 11": Case(
        lambda b, x: b.op("Split", x, axis=1, split=(2, 6), outputs=2), opset=11
    ),
    "slice of channels": Case(lambda b, x: _slice(b, x, 2, 6, 1)),
    "slice of columns": Case(lambda b, x: _slice(b, x, 1, -2, 3)),
    "channel shuffle": Case(_shuffle),
    "focus": Case(_focus),
    "unfold": Case(lambda b, x: _unfold(b, x, 3, 3)),
    "unfold, apart and wide": Case(lambda b, x: _unfold(b, x, 2, 3, stride=2, dilation=3)),
    "pad": _unary("Pad", np.array([0, 0, 1, 2, 0, 0, 3, 4]), np.float32(0.5)),
    "depth to space": _unary("DepthToSpace", blocksize=2, mode="CRD"),
    "depth to space, depth first": _unary("DepthToSpace", blocksize=2, mode="DCR"),
    "transpose": _unary("Transpose", perm=(0, 2, 3, 1)),
    "reshape": Case(lambda b, x: b.op("Reshape", b.conv(x, 8, 6), np.array([1, 3, 2, -1]))),
    "linear after flatten": Case(_flat_linear),
    "distribution focal loss": Case(_focal_distribution),
    "patches": Case(_patches),
    "attention in windows": Case(_windows),
    "linear": _on_tokens(lambda b, x: _linear(b, x, 20)),
    "attention": _on_tokens(_attention),
    "packed attention": _on_tokens(_packed_attention),
    "layer norm": _on_tokens(
        lambda b, x: b.op("LayerNormalization", x, b.float_layers(16), b.float_layers(16), axis=-1)
    ),
    "layer norm in pieces": _on_tokens(_layer_norm_pieces),
    "mean over tokens": _on_tokens(lambda b, x: b.op("ReduceMean", x, axes=(1,))),
}
