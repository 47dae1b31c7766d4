"""A package's files at another input size than their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import ModelError
from edge.formats.ncnn import read_network
from edge.formats.ncnn_resize import fixed
from edge.package import Artifact, Package
from edge.types import Size

_READ = ("ncnn", "onnxruntime")  # runtimes from whose float files others are written


@contextmanager
def at(size: Size, package: Package, artifact: Artifact) -> Iterator[None]:
    """While an artifact is loaded at a size: where it has another one alone, say so and what helps.

    Raises:
        ModelError: The file has one size, and it is not this one.
    """
    own = package.spec.input
    if size == own:
        yield
        return
    try:
        if artifact.backend == "ncnn":
            network = read_network(artifact.files["param"], artifact.files["bin"])
            shape = (3, own.height, own.width)
            if fixed(network, dict.fromkeys(network.inputs, shape)):
                raise ModelError("constants or shapes in it are of the size of a map")
        yield
    except ModelError as error:
        raise ModelError(
            f"{package.name}: its {artifact.backend} {artifact.precision} file is for {own}, not "
            f"for {size} ({error}); {_command(size, package, artifact)}"
        ) from error


def _command(size: Size, package: Package, artifact: Artifact) -> str:
    verb = "calibrate" if artifact.precision == "int8" else "convert"
    data = " --data DIR" if artifact.precision == "int8" else ""
    readable = any(a.backend in _READ and a.precision != "int8" for a in package.artifacts)
    source = "this package" if readable else _origin(package)
    return (
        f"edge {verb} SOURCE{data} --imgsz {size} --targets {artifact.backend} -o NAME.edge makes "
        f"one that is; SOURCE is {source}"
    )


def _origin(package: Package) -> str:
    names = package.provenance.get("sources")
    known = ", ".join(map(str, names)) if isinstance(names, dict) else ""
    return f"the float model that it was made of{known and f' ({known})'}"
