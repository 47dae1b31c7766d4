"""One model as a package with a float artefact for every backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from calibration import targets
from calibration.emit import emitter
from calibration.frontends import ncnn
from calibration.frontends.simplify import simplify
from edge.backends import BACKENDS, describe
from edge.formats.ncnn import read_network
from edge.package import Artefact, Package
from edge.recognise import open_model
from edge.types import Size


def package(shared: Path, size: str = "s") -> Package:
    """A YOLOv6Lite of the official ncnn files; what the other runtimes take is emitted from it."""
    path = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}.param"
    official = open_model([path]).package
    files = official.artefacts[0].files
    graph = simplify(ncnn.read(read_network(files["param"], files["bin"]), official.spec.input))
    artefacts = list(official.artefacts)
    for name in BACKENDS:
        if name != "ncnn":
            emitted = emitter(name)(graph)
            layout = describe(name, emitted).inputs[0].layout
            artefacts.append(Artefact(name, "fp32", emitted, layout))
    return replace(official, artefacts=tuple(artefacts))


def converted(path: Path, backends: Iterable[str] = BACKENDS, side: int | None = None) -> Package:
    """A package's model for these backends, for pictures of `side` pixels where that is given."""
    opened = open_model([path])
    if side is not None:
        spec = replace(opened.package.spec, input=Size(side, side))
        opened = replace(opened, package=replace(opened.package, spec=spec))
    return targets.for_targets(opened, tuple(backends), precision="fp32").package
