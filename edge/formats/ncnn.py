"""ncnn's model files, a text .param and a binary .bin, as plain data.

The reader trusts nothing: what it returns is a graph in order whose weights are all there, so
that the runtime, which checks neither, can be given the same bytes. Source: ncnn's documentation
of the .param and .bin formats.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

import numpy as np

from edge.errors import ModelError, UnsupportedModelError
from edge.formats.ncnn_layers import LAYER_TYPES, Block
from edge.formats.ncnn_params import Shape, Value, real, whole
from edge.formats.ncnn_shapes import MAX_ELEMENTS, SHAPES
from edge.types import AnyArray, Float32Array, Size

MAGIC = 7767517
TAG_FLOAT32, TAG_FLOAT16, TAG_INT8, TAG_TABLE = 0, 0x01306B47, 0x000D4B38, 1
_TAG_FLOAT32_TOO = 0x0002C056
_DTYPES: Mapping[int, str] = MappingProxyType(
    {TAG_FLOAT32: "<f4", _TAG_FLOAT32_TOO: "<f4", TAG_FLOAT16: "<f2", TAG_INT8: "i1"}
)

_INT8_TYPES = frozenset({"Convolution", "ConvolutionDepthWise", "InnerProduct"})
_INT8_READERS = frozenset({"Convolution", "ConvolutionDepthWise"})  # in their INT8 forms

_MAX_LAYERS = 16384  # the runtime recurses through the layers; far more overflow its stack
_MAX_NAME = 255  # bytes; what ncnn reads of a name
_MAX_NUMBER = 15  # characters; likewise
_MAX_KEY = 31
_FLOAT32_END = 2.0**128 - 2.0**103  # from here on a number rounds to infinity
_ARRAY = -23300  # array parameters are written under the key -23300 - k
_WHOLE = re.compile(r"[+-]?\d{1,10}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
_TEXT = re.compile(r'"[^"]*"|[A-Za-z_][^,"]*')


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """One array of a .bin.

    Attributes:
        values: (n,) float32, float16 or int8; uint8 indices where there is a table.
        tag: The type tag before it; None where the format has none (float32: biases, scales).
        table: (256,) float32 that the indices point into, else None.
    """

    values: AnyArray
    tag: int | None = None
    table: Float32Array | None = None

    @classmethod
    def tagged(cls, values: AnyArray) -> Weight:
        """A weight under the tag of its dtype: float32, float16 or int8.

        Raises:
            TypeError: It has another dtype.
        """
        tags = {"float32": TAG_FLOAT32, "float16": TAG_FLOAT16, "int8": TAG_INT8}
        if values.dtype.name not in tags:
            raise TypeError(f"a weight is float32, float16 or int8, got {values.dtype}")
        return cls(values.reshape(-1), tags[values.dtype.name])

    @property
    def numbers(self) -> Float32Array:
        """(n,) float32: the values, looked up in the table where there is one."""
        return self.values.astype(np.float32) if self.table is None else self.table[self.values]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One line of a .param, with its weights.

    Attributes:
        type: ncnn's layer type; key into `LAYER_TYPES`.
        name: As in the file.
        inputs: Names of the blobs that it reads.
        outputs: Names of the blobs that it writes.
        params: ncnn's parameters by key, 0 to 31.
        weights: In the order of the .bin.
    """

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Value]
    weights: tuple[Weight, ...] = ()

    def __str__(self) -> str:
        return f"layer {self.name} ({self.type})"

    def whole(self, key: int, default: int = 0) -> int:
        """The whole number under a parameter key.

        Raises:
            ModelError: It is something else.
        """
        try:
            return whole(self.params, key, default)
        except ValueError as error:
            raise ModelError(f".param, {self}: {error}") from error

    def real(self, key: int, default: float) -> float:
        """The number under a parameter key.

        Raises:
            ModelError: It is something else.
        """
        try:
            return real(self.params, key, default)
        except ValueError as error:
            raise ModelError(f".param, {self}: {error}") from error

    @property
    def is_int8(self) -> bool:
        """Whether it computes on int8 weights."""
        return self.type in _INT8_TYPES and self.whole(8) != 0


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A graph of layers, each after those whose outputs it reads."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Blobs that are fed from outside."""
        return tuple(b for layer in self.layers if layer.type == "Input" for b in layer.outputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Blobs that no layer reads, in the order of the layers."""
        read = self.consumers()
        return tuple(b for layer in self.layers for b in layer.outputs if b not in read)

    @property
    def blobs(self) -> frozenset[str]:
        """Every blob."""
        return frozenset(b for layer in self.layers for b in layer.outputs)

    @property
    def is_int8(self) -> bool:
        """Whether any layer computes on int8 weights."""
        return any(layer.is_int8 for layer in self.layers)

    def consumers(self) -> dict[str, list[Layer]]:
        """The layers that read each blob; blobs that nobody reads are absent."""
        results: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for blob in layer.inputs:
                results.setdefault(blob, []).append(layer)
        return results


def read_network(param: bytes, weights: bytes) -> Network:
    """The network that a .param and its .bin hold.

    Args:
        param: Content of the text .param.
        weights: Content of the .bin. The arrays of the result are views of it.

    Raises:
        ModelError: The files are damaged, disagree, or hold a layer type whose weights are not
            known; says which file, line and layer.
    """
    reader = _Bin(weights)
    layers = tuple(reader.fill(layer) for layer in _read_param(param))
    reader.finish()
    return Network(layers)


def write_network(network: Network) -> tuple[bytes, bytes]:
    """The contents of the .param and the .bin of a network.

    Raises:
        ModelError: A layer's weights are not those that its parameters promise.
    """
    blobs = sum(len(layer.outputs) for layer in network.layers)
    lines = [str(MAGIC), f"{len(network.layers)} {blobs}", *map(_line, network.layers), ""]
    content = b"".join(part for layer in network.layers for part in _weight_bytes(layer))
    return "\n".join(lines).encode(), content


def blob_shapes(network: Network, inputs: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes of a network's blobs, which follow from those of its inputs.

    Args:
        network: Its layers are checked on the way: channels against weights, windows against
            sizes. The runtime checks none of that and would read outside its memory.
        inputs: Shape (c, h, w) of each input blob.

    Returns:
        Shapes by blob, slowest axis first and without a batch axis.

    Raises:
        ModelError: A layer does not fit its input; says which.
        UnsupportedModelError: What a layer writes is not known here; says which.
    """
    shapes: dict[str, Shape] = dict(inputs)
    for layer in network.layers:
        if layer.type == "Input":
            for blob in layer.outputs:
                if blob not in shapes:
                    raise ModelError(f".param, {layer}: the shape of the input {blob} is not given")
            continue
        rule = SHAPES.get(layer.type)
        try:
            read = [shapes[blob] for blob in layer.inputs]
            written = rule(layer.params, read, len(layer.outputs)) if rule else None
            if written is None:
                raise UnsupportedModelError(f".param, {layer}: its output shape is not known here")
            for blob, shape in zip(layer.outputs, written, strict=True):
                if min(shape) < 1 or prod(shape) > MAX_ELEMENTS:
                    raise ValueError(f"the output {blob} would be {shape}")
                shapes[blob] = shape
        except (ValueError, OverflowError) as error:
            raise ModelError(f".param, {layer}: {error}") from error
    return shapes


def int8_blobs(network: Network) -> frozenset[str]:
    """The blobs that hold int8; all others hold floats.

    Raises:
        ModelError: A layer reads int8 that takes floats alone; says which. The runtime does not
            look and would read four times as much memory as there is.
    """
    blobs: set[str] = set()
    for layer in network.layers:
        given = [blob for blob in layer.inputs if blob in blobs]
        if given and layer.type != "Split" and not (layer.is_int8 and layer.type in _INT8_READERS):
            raise ModelError(f".param, {layer}: it reads floats, its input {given[0]} is int8")
        requantizes = layer.is_int8 and layer.whole(8) > 100
        if requantizes or layer.type == "Quantize" or (given and layer.type == "Split"):
            blobs.update(layer.outputs)
    return frozenset(blobs)


def output_shapes(network: Network, input_size: Size, channels: int = 3) -> dict[str, Shape]:
    """The shapes of a network's outputs for an image of a size.

    Args:
        network: Has one input.
        input_size: Height and width of the input.
        channels: Of the input.

    Returns:
        Shape without a batch axis by output, in the order of `Network.outputs`.

    Raises:
        ModelError: There is not one input, or a layer does not fit what it reads.
        UnsupportedModelError: What a layer writes is not known here; says which.
    """
    if len(network.inputs) != 1:
        raise ModelError(
            f".param: one input is wanted, found {', '.join(network.inputs) or 'none'}"
        )
    shape = (channels, input_size.height, input_size.width)
    shapes = blob_shapes(network, {network.inputs[0]: shape})
    return {blob: shapes[blob] for blob in network.outputs}


def _read_param(content: bytes) -> Iterator[Layer]:
    if content[:4] == struct.pack("<I", MAGIC):
        raise ModelError(".param: this is ncnn's binary form; the text form is wanted")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f".param: not UTF-8 text: {error}") from error
    # Split as bytes: str.split would also take Unicode spaces, which ncnn reads as letters.
    lines = [
        (f".param, line {number}", [token.decode() for token in line.split()])
        for number, line in enumerate(content.split(b"\n"), 1)
        if line.strip()
    ]
    if not lines or lines[0][1] != [str(MAGIC)]:
        first = " ".join(lines[0][1])[:40] if lines else "nothing"
        raise ModelError(f".param: the first line is {MAGIC}, got {first!r}")
    if len(lines) < 2 or len(lines[1][1]) != 2:
        raise ModelError(".param: the second line is the number of layers and of blobs")
    layer_count, blob_count = (_count(lines[1][0], token) for token in lines[1][1])
    if layer_count != len(lines) - 2:
        raise ModelError(f".param: {layer_count} layers announced, {len(lines) - 2} found")
    if not 1 <= layer_count <= _MAX_LAYERS:
        raise ModelError(f".param: 1 to {_MAX_LAYERS} layers are wanted, got {layer_count}")
    written: set[str] = set()
    for where, tokens in lines[2:]:
        layer = _layer(where, tokens)
        for blob in layer.inputs:
            if blob not in written:
                raise ModelError(f"{where}, {layer}: no layer before it writes its input {blob}")
        for blob in layer.outputs:
            if blob in written:
                raise ModelError(f"{where}, {layer}: its output {blob} is written twice")
            written.add(blob)
        yield layer
    # Files edited by hand announce a few more, which does no harm; many more would take memory.
    if not len(written) <= blob_count <= 2 * len(written):
        raise ModelError(f".param: {blob_count} blobs announced, {len(written)} found")


def _layer(where: str, tokens: list[str]) -> Layer:
    if len(tokens) < 4:
        raise ModelError(f"{where}: a layer is type, name and two counts, got {tokens}")
    kind, name = tokens[:2]
    where += f", layer {name[:_MAX_NAME]} ({kind[:_MAX_NAME]})"
    reads, writes = (_count(where, token) for token in tokens[2:4])
    names = tokens[4 : 4 + reads + writes]
    if len(names) < reads + writes:
        raise ModelError(f"{where}: {reads + writes} blobs announced, {len(names)} found")
    for token in (kind, name, *names):
        if len(token.encode()) > _MAX_NAME or not token.isprintable():
            raise ModelError(f"{where}: a name is up to {_MAX_NAME} printable bytes, got {token!r}")
    known = LAYER_TYPES.get(kind)
    if known is None:
        raise UnsupportedModelError(f"{where}: the weights of this layer type are not known")
    params: dict[int, Value] = {}
    for token in tokens[4 + reads + writes :]:
        key, value = _parameter(where, token)
        if key in params:
            raise ModelError(f"{where}: parameter {key} stands there twice")
        params[key] = value
    try:
        limits = known.inputs(params) if callable(known.inputs) else known.inputs
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error
    for count, (low, high), what in ((reads, limits, "reads"), (writes, known.outputs, "writes")):
        if not low <= count <= high:
            raise ModelError(f"{where}: it {what} {low} to {high} blobs, got {count}")
    outputs = tuple(names[reads:])
    return Layer(kind, name, tuple(names[:reads]), outputs, MappingProxyType(params))


def _count(where: str, token: str) -> int:
    if not re.fullmatch(r"\d{1,7}", token, re.ASCII):
        raise ModelError(f"{where}: a count is wanted, got {token[:40]!r}")
    return int(token)


def _parameter(where: str, token: str) -> tuple[int, Value]:
    key_text, equals, text = token.partition("=")
    if not equals or not re.fullmatch(r"-?\d{1,5}", key_text, re.ASCII):
        raise ModelError(f"{where}: a parameter is key=value, got {token[:40]!r}")
    key, values = int(key_text), text.split(",")
    is_array = len(values) > 1
    if key <= _ARRAY:
        key, is_array = _ARRAY - key, True
        if values[0] != str(len(values) - 1):
            counts = f"{values[0][:20]} announced, {len(values) - 1} found"
            raise ModelError(f"{where}: values of array parameter {key}: {counts}")
        del values[0]
    if not 0 <= key <= _MAX_KEY:
        raise ModelError(f"{where}: parameter keys are 0 to {_MAX_KEY}, got {key}")
    if text.startswith('"') or not is_array:
        return key, _text_or_number(f"{where}: parameter {key}", text)
    return key, tuple(_number(f"{where}: parameter {key}", value) for value in values)


def _text_or_number(where: str, text: str) -> int | float | str:
    if _TEXT.fullmatch(text) and len(text) <= _MAX_NAME and text.isprintable():
        return text
    return _number(where, text)


def _number(where: str, text: str) -> int | float:
    if len(text) <= _MAX_NUMBER and text.isascii():
        if _WHOLE.fullmatch(text) and -(2**31) <= int(text) < 2**31:
            return int(text)
        if _DECIMAL.fullmatch(text) and not _WHOLE.fullmatch(text):
            value = float(text)
            if abs(value) < _FLOAT32_END:
                return value
    raise ModelError(f"{where}: a 32-bit number is wanted, got {text[:40]!r}")


def _blocks(layer: Layer) -> tuple[Block, ...]:
    try:
        return LAYER_TYPES[layer.type].blocks(layer.params)
    except ValueError as error:
        raise ModelError(f".param, {layer}: {error}") from error


class _Bin:
    """Reads a .bin front to back."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._offset = 0

    def fill(self, layer: Layer) -> Layer:
        """The layer with its weights, which come next."""
        blocks = _blocks(layer)
        if not blocks:
            return layer
        weights = tuple(self._weight(layer, block) for block in blocks)
        dtype = weights[0].values.dtype
        if layer.is_int8 != (dtype == np.int8):
            expected = "int8" if layer.is_int8 else "float"
            raise ModelError(f".bin, {layer}: its parameters want {expected} weights, got {dtype}")
        return replace(layer, weights=weights)

    def finish(self) -> None:
        """Refuse bytes after the last weight."""
        rest = len(self._content) - self._offset
        if rest:
            raise ModelError(f".bin: {rest} bytes are left after the last layer's weights")

    def _weight(self, layer: Layer, block: Block) -> Weight:
        if not block.tagged:
            return Weight(self._take(layer, "<f4", block.count))
        tag = int(self._take(layer, "<u4", 1)[0])
        if tag in _DTYPES:
            return Weight(self._take(layer, _DTYPES[tag], block.count), tag)
        if tag == TAG_TABLE:
            table = self._take(layer, "<f4", 256)
            return Weight(self._take(layer, "u1", block.count), tag, table)
        raise ModelError(f".bin, {layer}: unknown weight tag {tag:#010x}")

    def _take(self, layer: Layer, dtype: str, count: int) -> AnyArray:
        size = count * np.dtype(dtype).itemsize
        padded = -(-size // 4) * 4
        rest = len(self._content) - self._offset
        if padded > rest:
            raise ModelError(f".bin, {layer}: {padded} bytes are wanted, {rest} are left")
        values: AnyArray = np.frombuffer(self._content, dtype, count, self._offset)
        self._offset += padded
        return values


def _line(layer: Layer) -> str:
    head = f"{layer.type:<24} {layer.name:<24} {len(layer.inputs)} {len(layer.outputs)}"
    params = (_parameter_text(key, value) for key, value in layer.params.items())
    return " ".join((head, *layer.inputs, *layer.outputs, *params))


def _parameter_text(key: int, value: Value) -> str:
    if isinstance(value, tuple):
        return f"{_ARRAY - key}={','.join((str(len(value)), *map(_number_text, value)))}"
    return f"{key}={value if isinstance(value, str) else _number_text(value)}"


def _number_text(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    short = f"{value:e}"  # as ncnn's own tools write; more digits only where float32 needs them
    return short if np.float32(short) == np.float32(value) else f"{value:.8e}"


def _weight_bytes(layer: Layer) -> Iterator[bytes]:
    blocks = _blocks(layer)
    held = [Block(len(w.values), w.tag is not None) for w in layer.weights]
    if list(blocks) != held:
        counts = [block.count for block in blocks]
        raise ModelError(f"{layer}: weights of {counts} wanted, got {[b.count for b in held]}")
    for weight in layer.weights:
        if weight.tag is not None:
            yield struct.pack("<I", weight.tag)
        if weight.table is not None:
            yield weight.table.astype("<f4").tobytes()
        dtype = "<f4" if weight.tag is None else _DTYPES.get(weight.tag, "u1")
        if weight.values.dtype != np.dtype(dtype):
            raise ModelError(f"{layer}: a weight is {dtype}, got {weight.values.dtype}")
        data = weight.values.tobytes()
        yield data + bytes(-len(data) % 4)
