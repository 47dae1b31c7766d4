"""`QuantSpec` as JSON: strict when read, the same bytes for the same spec when written."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from calibration.quant.spec.spec import FORMAT, LayerSpec, QuantSpec, Range, Scheme
from edge.errors import CalibrationError
from edge.types import Float32Array, Int8Array

_SCHEMES = ("symmetric", "asymmetric")
# Keys of format 2 that were called otherwise, and the end of the name of an equalized tensor.
_END_OF_2, _END = "/levelled", "/scaled"  # codespell:ignore
_KEYS_OF_2 = {
    "equalization": "equalisation",  # codespell:ignore
    "float_layers": "floats",
    "rounding_offsets": "moves",
}
_DIGEST = 64
_MAX_WEIGHTS = 1 << 28  # weights of one layer; no file may ask for more memory


def write(spec: QuantSpec, path: Path) -> None:
    """Write a file, whole or not at all.

    Raises:
        CalibrationError: It cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise CalibrationError(f"{path}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dumps(spec))
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise CalibrationError(f"{path}: {error.strerror or error}") from error


def read(path: Path) -> QuantSpec:
    """Read a file.

    Raises:
        CalibrationError: It cannot be read, or is no spec; names the place and what was wanted.
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path}: {error}") from error
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error


def dumps(spec: QuantSpec) -> str:
    """The text of the file."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "model": spec.model,
        "images": spec.images,
        "count": spec.count,
        "recipe": spec.recipe,
        "seed": spec.seed,
        "targets": {
            "mnn": {"safe_pools": spec.safe_pools},
            "ncnn": {"winograd": spec.winograd},
        },
        "schemes": {name: _scheme(scheme) for name, scheme in sorted(spec.schemes.items())},
    }
    return _text(values, 0) + "\n"


def loads(text: str) -> QuantSpec:
    """The spec of a file's text.

    Raises:
        CalibrationError: It is no spec; names the place and what was wanted.
    """
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CalibrationError(f"not a quantization spec: {error}") from error
    top = _Reader(value, "")
    version = top.whole("format")
    if version not in (2, FORMAT):
        raise CalibrationError(f"format is {version}, this version reads 2 and {FORMAT}")
    top.renamed = _KEYS_OF_2 if version == 2 else {}
    targets = top.inner("targets")
    mnn, ncnn = targets.inner("mnn"), targets.inner("ncnn")
    schemes = top.inner("schemes")
    spec = QuantSpec(
        schemes=MappingProxyType({name: _read_scheme(schemes.inner(name)) for name in schemes}),
        model=top.digest("model"),
        images=top.digest("images"),
        count=top.whole("count"),
        recipe=top.text("recipe"),
        seed=top.whole("seed"),
        safe_pools=mnn.switch("safe_pools"),
        winograd=ncnn.switch("winograd"),
    )
    unknown = [name for name in spec.schemes if name not in _SCHEMES]
    if unknown or not spec.schemes:
        raise CalibrationError(f"schemes are {' and '.join(_SCHEMES)}, got {unknown or 'none'}")
    for reader in (mnn, ncnn, targets, top):
        reader.done()
    return spec


# --- writing -----------------------------------------------------------------------------------


def _scheme(scheme: Scheme) -> dict[str, Any]:
    layers: dict[str, dict[str, Any]] = {}
    for name, layer in sorted(scheme.layers.items()):
        layers[name] = {"weight_scales": _numbers(layer.weight_scales)}
        if layer.bias is not None:
            layers[name]["bias"] = _numbers(layer.bias)
        if layer.rounding_offsets is not None:
            layers[name]["rounding_offsets"] = _packed(layer.rounding_offsets)
    return {
        "ranges": {name: _numbers(range_) for name, range_ in sorted(scheme.ranges.items())},
        "layers": layers,
        "float_layers": dict(sorted(scheme.float_layers.items())),
        "equalization": {
            name: _numbers(values) for name, values in sorted(scheme.equalization.items())
        },
    }


def _numbers(values: Sequence[float] | Float32Array) -> list[float]:
    """float32 values in the fewest digits that give them again."""
    return [float(str(value)) for value in np.asarray(values, np.float32)]


def _packed(values: Int8Array) -> str:
    """Bytes, compressed, as text: most are zero."""
    return base64.b64encode(zlib.compress(values.astype(np.int8).tobytes(), 9)).decode()


def _text(value: Any, depth: int) -> str:
    """JSON with a line for each member of an object, and lists on one line."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = "  " * (depth + 1)
    members = [f"{inner}{json.dumps(k)}: {_text(v, depth + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(members) + "\n" + "  " * depth + "}"


# --- reading -----------------------------------------------------------------------------------


class _Reader(Mapping[str, Any]):
    """An object of the file, that knows where it is and which of its members were read."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise CalibrationError(f"{place or 'the file'} is {_kind(value)}, wanted an object")
        self.renamed: Mapping[str, str] = {}
        self._value = value
        self._place = place
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        if name not in self._value:
            raise CalibrationError(f"{self.at(name)} is missing")
        self._read.add(name)
        return self._value[name]

    def __iter__(self) -> Any:
        return iter(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def at(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def key(self, name: str) -> str:
        """What a key is called in this version of the file."""
        return self.renamed.get(name, name)

    def inner(self, name: str) -> _Reader:
        inner = _Reader(self[name], self.at(name))
        inner.renamed = self.renamed
        return inner

    def whole(self, name: str) -> int:
        value = self[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise CalibrationError(f"{self.at(name)} is {value!r}, wanted a whole number from 0 on")
        return value

    def switch(self, name: str) -> bool:
        value = self[name]
        if not isinstance(value, bool):
            raise CalibrationError(f"{self.at(name)} is {value!r}, wanted true or false")
        return value

    def text(self, name: str) -> str:
        value = self[name]
        if not isinstance(value, str):
            raise CalibrationError(f"{self.at(name)} is {_kind(value)}, wanted a text")
        return value

    def digest(self, name: str) -> str:
        value = self.text(name)
        if value and (len(value) != _DIGEST or set(value) - set("0123456789abcdef")):
            raise CalibrationError(f"{self.at(name)} is {value!r}, wanted 64 digits of SHA-256")
        return value

    def numbers(self, name: str) -> Float32Array:
        value = self[name]
        if not isinstance(value, list) or not all(_is_number(item) for item in value):
            raise CalibrationError(f"{self.at(name)}: wanted a list of finite float32 numbers")
        return np.array(value, np.float32)

    def positive(self, name: str) -> Float32Array:
        values = self.numbers(name)
        if not (values > 0).all():
            raise CalibrationError(f"{self.at(name)}: wanted positive numbers")
        return values

    def packed(self, name: str) -> Int8Array:
        try:
            unpack = zlib.decompressobj()
            data = unpack.decompress(base64.b64decode(self.text(name), validate=True), _MAX_WEIGHTS)
            if not unpack.eof or unpack.unused_data:
                raise ValueError("they end too early or too late")
        except (ValueError, zlib.error) as error:
            raise CalibrationError(
                f"{self.at(name)}: wanted compressed bytes in base64: {error}"
            ) from error
        return np.frombuffer(data, np.int8)

    def done(self) -> None:
        unknown = sorted(set(self._value) - self._read)
        if unknown:
            raise CalibrationError(f"{self.at(unknown[0])} is not known")


def _read_scheme(reader: _Reader) -> Scheme:
    ranges, float_layers = reader.inner("ranges"), reader.inner(reader.key("float_layers"))
    layers, factors = reader.inner("layers"), reader.inner(reader.key("equalization"))
    scheme = Scheme(
        MappingProxyType({_tensor(reader, name): _read_range(ranges, name) for name in ranges}),
        MappingProxyType({name: _read_layer(layers.inner(name)) for name in layers}),
        MappingProxyType({name: float_layers.text(name) for name in float_layers}),
        MappingProxyType({name: factors.positive(name) for name in factors}),
    )
    reader.done()
    return scheme


def _tensor(reader: _Reader, name: str) -> str:
    """What a tensor is called now."""
    if reader.renamed and name.endswith(_END_OF_2):
        return name.removesuffix(_END_OF_2) + _END
    return name


def _read_range(reader: _Reader, name: str) -> Range:
    values = reader.numbers(name)
    if values.shape != (2,) or values[0] > values[1]:
        raise CalibrationError(f"{reader.at(name)}: wanted two numbers, the lower one first")
    return float(values[0]), float(values[1])


def _read_layer(reader: _Reader) -> LayerSpec:
    bias = reader.numbers("bias") if "bias" in list(reader) else None
    key = reader.key("rounding_offsets")
    rounding_offsets = reader.packed(key) if key in list(reader) else None
    layer = LayerSpec(reader.positive("weight_scales"), bias, rounding_offsets)
    reader.done()
    return layer


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2.0**128 and bool(np.isfinite(np.float32(value)))


def _kind(value: Any) -> str:
    for type_, words in ((dict, "an object"), (list, "a list"), (str, "a text")):
        if isinstance(value, type_):
            return words
    return repr(value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
