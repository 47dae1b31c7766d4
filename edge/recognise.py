"""From a model's files to what it is: family, input, classes, and from what evidence.

A package says itself what it is. A bare model file is recognised by the names and shapes of its
outputs; what cannot be seen there comes from the family's usual settings or from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import edge.package
from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn, ncnn_rewrite
from edge.models import FAMILIES, coco, family
from edge.models.base import ModelSpec, Recognition
from edge.package import Artefact, Package
from edge.types import Size


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says of a model; what is None is concluded.

    Attributes:
        family: Key into `edge.models.FAMILIES`.
        input: Size of the network input.
        labels: Class names.
        name: Of the package.
        licence: Of the weights.
    """

    family: str | None = None
    input: Size | None = None
    labels: tuple[str, ...] | None = None
    name: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model, and how it was recognised.

    Attributes:
        package: The model; for bare files, as `edge convert` would write it.
        evidence: Sentences: what each conclusion rests on.
    """

    package: Package
    evidence: tuple[str, ...]


def open_model(paths: Sequence[Path], overrides: Overrides | None = None) -> OpenedModel:
    """Read a package, or recognise model files.

    Args:
        paths: One package, or the files of one model. Of a file pair one is enough when the
            other lies beside it under the same name.
        overrides: What the user says; must be empty for a package, which knows itself.

    Raises:
        ModelError: The files are missing, damaged or not a model.
        UnsupportedModelError: No family reads such outputs.
    """
    overrides = overrides or Overrides()
    for path in paths:
        if not path.exists():
            raise ModelError(f"{path}: no such file or folder")
    if len(paths) == 1 and edge.package.is_package(paths[0]):
        if overrides != Overrides():
            raise ModelError(f"{paths[0]}: a package knows what it is; convert its source files")
        package = edge.package.read(paths[0])
        return OpenedModel(package, (f"{edge.package.MANIFEST} in the package says so",))
    files = _files(paths)
    if files.keys() == {"param", "bin"}:
        return _open_ncnn(files, overrides)
    raise UnsupportedModelError(
        f"{paths[0]}: not a model that edge reads; it reads .edge packages "
        "and ncnn models (.param with .bin)"
    )


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    """The files by suffix, with the missing half of an ncnn pair added."""
    files: dict[str, Path] = {}
    for path in paths:
        suffix = path.suffix[1:].lower()
        if path.is_dir():
            raise ModelError(f"{path}: a folder, but not a model package: no {edge.package.MANIFEST}")
        if suffix in files:
            raise ModelError(f"{path}: a second .{suffix} file beside {files[suffix]}")
        files[suffix] = path
    for have, missing in (("param", "bin"), ("bin", "param")):
        if files.keys() == {have}:
            other = files[have].with_suffix(f".{missing}")
            if not other.is_file():
                raise ModelError(f"{files[have]}: an ncnn model needs {other.name} beside it")
            files[missing] = other
    return files
