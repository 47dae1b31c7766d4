"""The calls in a pickle that are done, and how: each makes plain data of plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from calibration.checkpoints.pickled import Global, Record, Storage, Tensor
from edge.errors import ModelError

# No value of the file is ever turned into text as a whole: nested without end it has none.

_KEYS = (str, bytes, int, float, type(None), Global, Record)


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any, dtype: str = ""
) -> Tensor:
    whole = [offset, *shape, *strides]
    if not isinstance(storage, Storage) or not all(type(x) is int and x >= 0 for x in whole):
        raise ModelError("a tensor is not made of a storage, an offset, a shape and strides")
    if len(shape) != len(strides):
        raise ModelError(f"a tensor has shape {tuple(shape)} but strides {tuple(strides)}")
    return Tensor(storage, offset, tuple(shape), tuple(strides), dtype)


def _tensor_of(*args: Any) -> Tensor:  # storage, offset, shape, strides, grad, hooks, dtype, …
    if len(args) < 7 or not isinstance(args[6], Global):
        raise ModelError("a tensor of an untyped storage says no type")
    return _tensor(*args[:4], dtype=args[6].name.removeprefix("torch."))


def _from_type(function: Any, _cls: Any, args: Any, _state: Any) -> Any:
    if not isinstance(function, Global) or function.name not in _TENSORS:
        raise ModelError("a tensor is rebuilt by something else than torch's functions")
    return _TENSORS[function.name](*args)


def _text_of(text: Any, _encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str):
        raise ModelError("something else than text is encoded")
    return text.encode("latin1", "replace")


def _device(*name: Any) -> str:
    return ":".join(str(part) for part in name if isinstance(part, str | int))


def mapping_of(pairs: Any = ()) -> dict[Any, Any]:
    """A dict of pairs, or of another dict."""
    results = {}
    for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
        results[key_of(key)] = value
    return results


def record_of(cls: Any, *args: Any) -> Record:
    """The record of an object of a class."""
    if not isinstance(cls, Global):
        raise ModelError("an object is made of something that is no class")
    return Record(cls.name, args)


def set_of(values: Any = ()) -> set[Any]:
    """A set of values that can be keys."""
    return {key_of(value) for value in values}


def key_of(value: Any) -> Any:
    """The value, if its hash is quick: the hash of deeply nested tuples overflows the stack."""
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, _KEYS) for part in parts):
        raise ModelError(f"a key is a name or a number, got {type(value).__name__}")
    return value


_TENSORS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _tensor_of,
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    }
)

# Every call that is ever done. To add one: a function here that makes plain data of plain data.
CALLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        **_TENSORS,
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "torch.Size": lambda sizes=(): tuple(sizes),
        "torch.device": _device,
        "collections.OrderedDict": mapping_of,
        "collections.defaultdict": lambda _factory=None, pairs=(): mapping_of(pairs),
        "builtins.dict": mapping_of,
        "builtins.list": lambda values=(): list(values),
        "builtins.tuple": lambda values=(): tuple(values),
        "builtins.set": set_of,
        "builtins.frozenset": lambda values=(): frozenset(set_of(values)),
        "_codecs.encode": _text_of,
        "copyreg._reconstructor": lambda cls, *_: record_of(cls),
        "copyreg.__newobj__": record_of,
        # Harmless bookkeeping of training scripts, of no use here: kept as a record.
        "numpy.core.multiarray.scalar": lambda *args: Record("numpy.scalar", args),
        "numpy.core.multiarray._reconstruct": lambda *args: Record("numpy.ndarray", args),
        "numpy._core.multiarray.scalar": lambda *args: Record("numpy.scalar", args),
        "numpy._core.multiarray._reconstruct": lambda *args: Record("numpy.ndarray", args),
        "numpy.dtype": lambda *args: Record("numpy.dtype", args),
        "pathlib.PosixPath": lambda *parts: Record("pathlib.PosixPath", parts),
        "pathlib.WindowsPath": lambda *parts: Record("pathlib.WindowsPath", parts),
    }
)
