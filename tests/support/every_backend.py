"""One model as a package with an artifact for every backend, in float or in INT8."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from calibration import canonical
from calibration.emit import float_artifact, int8_artifact
from calibration.frontends import ncnn
from calibration.frontends.simplify import simplify
from calibration.quant.options.options import Options
from calibration.quant.plan import equalize
from calibration.quant.plan.planning import plan
from calibration.quant.solve import solve
from edge.backends import BACKENDS
from edge.conveyor import Conveyor
from edge.formats.ncnn import read_network
from edge.package import Package
from edge.recognize import OpenedModel, open_model
from edge.types import Size


def package(shared: Path, size: str = "s") -> Package:
    """A YOLOv6Lite of the official ncnn files; what the other runtimes take is emitted from it."""
    path = shared / "models" / "yolov6lite" / f"yolov6-lite-{size}.param"
    official = open_model([path]).package
    files = official.artifacts[0].files
    graph = simplify(ncnn.read(read_network(files["param"], files["bin"]), official.spec.input))
    artifacts = list(official.artifacts)
    artifacts += [float_artifact(name, graph) for name in BACKENDS if name != "ncnn"]
    return replace(official, artifacts=tuple(artifacts))


def converted(path: Path, backends: Iterable[str] = BACKENDS, side: int | None = None) -> Package:
    """A package's model for these backends, for images of `side` pixels where that is given."""
    return canonical.for_targets(_opened(path, side), tuple(backends), precision="fp32").package


def quantized(path: Path, side: int | None = None) -> Package:
    """A package's model in INT8 for every backend: every convolution, ranges by min-max.

    Seconds, where `edge calibrate` takes minutes; good for what it executes, not for how well.
    """
    opened = _opened(path, side).package
    graph, spec, _ = canonical.canonical(opened)
    belt = Conveyor(2, spec.input)
    images = [belt.render(index)[0].copy() for index in range(4)]
    options = Options(targets=tuple(BACKENDS), recipe="min-max")
    made = solve.calibrate(graph, spec, images, options)
    graphs = {name: equalize.at(made.graph, made.spec, name) for name in BACKENDS}
    artifacts = tuple(
        int8_artifact(graph, plan(graph, made.spec, name)) for name, graph in graphs.items()
    )
    return replace(opened, spec=spec, artifacts=artifacts)


def _opened(path: Path, side: int | None) -> OpenedModel:
    opened = open_model([path])
    if side is None:
        return opened
    spec = replace(opened.package.spec, input=Size(side, side))
    return replace(opened, package=replace(opened.package, spec=spec))
