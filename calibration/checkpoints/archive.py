"""The files that torch.save writes: a pickle, and the numbers beside it."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np

from calibration.checkpoints.pickled import Tensor
from calibration.checkpoints.unpickler import Contents, unpickle
from edge.errors import ModelError, UnsupportedModelError
from edge.types import AnyArray

_TYPES: Mapping[str, str] = MappingProxyType(  # torch's names of storages and types, to NumPy's
    {
        "DoubleStorage": "f8",
        "FloatStorage": "f4",
        "HalfStorage": "f2",
        "BFloat16Storage": "bf16",
        "LongStorage": "i8",
        "IntStorage": "i4",
        "ShortStorage": "i2",
        "CharStorage": "i1",
        "ByteStorage": "u1",
        "BoolStorage": "?",
        "float64": "f8",
        "float32": "f4",
        "float16": "f2",
        "bfloat16": "bf16",
        "int64": "i8",
        "int32": "i4",
        "int16": "i2",
        "int8": "i1",
        "uint8": "u1",
        "bool": "?",
    }
)
_MOST_AXES = 8
# What reading a zip raises of one that is damaged, or encrypted (RuntimeError).
_BAD_ZIP = (zipfile.BadZipFile, ValueError, RuntimeError, OSError, EOFError, struct.error)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened checkpoint.

    Attributes:
        contents: What its pickle holds, tensors by reference.
        read: From a storage's key to its bytes.
        little: Whether the numbers are little-endian.
    """

    contents: Contents
    read: Callable[[str], bytes]
    little: bool = True

    def array(self, tensor: Tensor) -> AnyArray:
        """The numbers of a tensor: a new array; bfloat16 as float32.

        Raises:
            ModelError: The tensor reaches beyond its storage, or the storage is not in the file.
        """
        storage = tensor.storage
        code = _TYPES.get(tensor.dtype or storage.type)
        if code is None:
            raise UnsupportedModelError(
                f"a tensor holds {tensor.dtype or storage.type}, which is not supported"
            )
        raw = np.dtype(f"{'<' if self.little else '>'}{'u2' if code == 'bf16' else code}")
        content = self.read(storage.key)
        flat = np.frombuffer(content, raw, len(content) // raw.itemsize)
        if code == "bf16":
            flat = (flat.astype("u4") << 16).view("f4")
        count = math.prod(tensor.shape)
        pairs = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((size - 1) * stride for size, stride in pairs)
        if len(tensor.shape) > _MOST_AXES or not 0 < count <= flat.size or last >= flat.size:
            raise ModelError(
                f"a tensor of shape {tensor.shape[:_MOST_AXES]} is empty or reaches beyond its "
                f"storage of {flat.size} elements"
            )
        steps = [stride * flat.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, steps)
        return view.astype(flat.dtype.newbyteorder("="))


def read_archive(path: Path) -> Archive:
    """Read a file of torch.save, of today's zip form or the older one.

    Raises:
        ModelError: The file is not of torch.save, or is damaged.
        UnsupportedModelError: It is of a form that holds a program, or is older than 2018.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    if data[:2] == b"PK":
        return _zip(path, data)
    if data[:1] == b"\x80":
        return _legacy(path, io.BytesIO(data))
    if data[257:262] == b"ustar":
        raise UnsupportedModelError(
            f"{path}: written by torch before 0.4; load and save it with a newer one"
        )
    if data.lstrip()[:1] == b"<":
        raise ModelError(f"{path}: a web page, not a checkpoint; the download went wrong")
    raise ModelError(f"{path}: not a file of torch.save (it begins with {data[:8]!r})")


def _zip(path: Path, data: bytes) -> Archive:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = {info.filename: info for info in archive.infolist()}
    except _BAD_ZIP as error:
        raise ModelError(f"{path}: damaged zip archive: {error}") from error
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"{path}: a zip archive without the data.pkl of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in names:
        raise UnsupportedModelError(
            f"{path}: a TorchScript program, which holds code; a checkpoint of torch.save is wanted"
        )

    def content(name: str) -> bytes:
        info = names.get(folder + name)
        if info is None:
            raise ModelError(f"{path}: {name} is not in the archive")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
            raise ModelError(f"{path}: {name} is compressed, which torch.save never does")
        try:
            return archive.read(info)
        except _BAD_ZIP as error:
            raise ModelError(f"{path}: {name} is damaged: {error}") from error

    little = f"{folder}byteorder" not in names or content("byteorder").strip() != b"big"
    contents = _contents(path, io.BytesIO(content("data.pkl")))
    return Archive(contents, lambda key: content(f"data/{key}"), little)


def _legacy(path: Path, file: IO[bytes]) -> Archive:
    """Pickles in a row (magic, version, machine, object, keys), then the storages."""
    if _contents(path, file).root != _LEGACY_MAGIC:
        raise ModelError(f"{path}: a pickle, but not of torch.save")
    if _contents(path, file).root != _LEGACY_PROTOCOL:
        raise UnsupportedModelError(
            f"{path}: torch.save's old form in another version than {_LEGACY_PROTOCOL}"
        )
    machine = _contents(path, file).root
    contents = _contents(path, file)
    keys = _contents(path, file).root
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ModelError(f"{path}: the list of storages is damaged")
    little = not (isinstance(machine, dict) and machine.get("little_endian") is False)
    storages: dict[str, bytes] = {}
    for key in keys:
        header = file.read(8)
        count = struct.unpack("<q" if little else ">q", header)[0] if len(header) == 8 else -1
        storage = contents.storages.get(key)
        code = _TYPES.get(storage.type, "f4") if storage else "f4"
        length = count * (2 if code == "bf16" else np.dtype(code).itemsize)
        storages[key] = file.read(length) if count >= 0 else b""
        if count < 0 or len(storages[key]) != length:
            raise ModelError(f"{path}: storage {key!r} is cut off")

    def read(key: str) -> bytes:
        if key not in storages:
            raise ModelError(f"{path}: storage {key!r} is not in the file")
        return storages[key]

    return Archive(contents, read, little)


def _contents(path: Path, file: IO[bytes]) -> Contents:
    try:
        return unpickle(file)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
