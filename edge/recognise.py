"""From a model's files to what it is: family, input, classes, and from what evidence.

A package says itself what it is. A bare model file is recognised by the names and shapes of its
outputs; what cannot be seen there comes from the family's usual settings or from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import edge.package
from edge.backends.base import Precision
from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn, ncnn_rewrite
from edge.models import FAMILIES, coco, family
from edge.models.base import ModelSpec, Recognition
from edge.package import Artefact, Package
from edge.types import Size
from edge.version import __version__


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
        package: The model; for bare files, as `edge convert` writes it.
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
        told = package.provenance.get("recognised", ())
        return OpenedModel(package, (f"{edge.package.MANIFEST} says so", *map(str, told)))
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
            raise ModelError(
                f"{path}: a folder, but not a model package: no {edge.package.MANIFEST}"
            )
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


def _open_ncnn(files: Mapping[str, Path], overrides: Overrides) -> OpenedModel:
    contents = {suffix: _content(path) for suffix, path in files.items()}
    try:
        # ncnn warns of some of what exporters write, at every inference.
        network = ncnn_rewrite.simplify(ncnn.read_network(contents["param"], contents["bin"]))
        matches = _matches(network, overrides)
    except ModelError as error:
        raise type(error)(f"{files['param']}: {error}") from error
    spec, recognition = _only(matches, files["param"])
    labels, why = _labels(recognition.classes, overrides.labels)
    evidence = (f"{spec.family}: {recognition.evidence}", why)
    param, weights = ncnn.write_network(network)
    package = Package(
        name=overrides.name or files["param"].stem,
        spec=replace(spec, labels=labels),
        artefacts=(Artefact("ncnn", _precision(network), {"param": param, "bin": weights}),),
        licence=overrides.licence or "",
        provenance={
            "tool": f"edge-yolo {__version__}",
            "sources": {p.name: sha256(contents[s]).hexdigest() for s, p in files.items()},
            "recognised": list(evidence),
        },
    )
    return OpenedModel(package, evidence)


def _matches(network: ncnn.Network, overrides: Overrides) -> list[tuple[ModelSpec, Recognition]]:
    """What each family makes of the network, at the input size asked for or usual for it."""
    if len(network.inputs) != 1:
        raise UnsupportedModelError(
            f"one input is wanted, got {', '.join(network.inputs) or 'none'}"
        )
    candidates = [family(overrides.family)] if overrides.family else list(FAMILIES.values())
    matches = []
    for candidate in candidates:
        size = overrides.input or candidate.input
        recognition = candidate.recognise(ncnn.output_shapes(network, size), size)
        if recognition is not None:
            spec = ModelSpec(
                family=candidate.name,
                form=recognition.form,
                input=size,
                labels=(),
                strides=recognition.strides,
                input_name=network.inputs[0],
                output_names=recognition.outputs,
                preprocessing=candidate.preprocessing,
            )
            matches.append((spec, recognition))
    if not matches:
        shapes = ncnn.output_shapes(network, overrides.input or candidates[0].input)
        seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        known = ", ".join(candidate.name for candidate in candidates)
        raise UnsupportedModelError(f"its outputs ({seen}) are not those of: {known}")
    return matches


def _only(
    matches: Sequence[tuple[ModelSpec, Recognition]], path: Path
) -> tuple[ModelSpec, Recognition]:
    if len(matches) > 1:
        names = ", ".join(spec.family for spec, _ in matches)
        raise UnsupportedModelError(f"{path}: may be any of {names}; choose with --family")
    return matches[0]


def _labels(classes: int, wanted: tuple[str, ...] | None) -> tuple[tuple[str, ...], str]:
    if wanted is not None:
        if len(wanted) != classes:
            raise ModelError(f"the model has {classes} classes, got {len(wanted)} labels")
        return wanted, f"{classes} classes, named by the caller"
    if classes == len(coco.LABELS):
        return coco.LABELS, f"{classes} classes: taken for COCO's"
    return tuple(map(str, range(classes))), f"{classes} classes, without names; --labels names them"


def _precision(network: ncnn.Network) -> Precision:
    if network.is_int8:
        return "int8"
    tags = {weight.tag for layer in network.layers for weight in layer.weights}
    return "fp16" if ncnn.TAG_FLOAT16 in tags else "fp32"


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > edge.package.FILE_LIMIT:
            raise ModelError(f"{path}: larger than {edge.package.FILE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
