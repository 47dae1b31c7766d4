"""From a finished training to what runs: an ONNX file, and a package for ncnn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from calibration.emit import float_artifact
from calibration.export import export
from calibration.frontends import onnx
from calibration.frontends.head import cuts
from calibration.frontends.simplify import simplify
from calibration.runtimes import USUAL, runtime
from calibration.train.checkpoint import Checkpoint
from calibration.train.measure import spec
from edge import package
from edge.package import Package
from edge.types import Size
from edge.version import __version__


def deploy(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    facts: Mapping[str, Any],
    name: str = "best",
    license: str = "",
) -> None:
    """Write `<name>.onnx` and `<name>.edge`, in place of those that may be there.

    The outputs are the raw heads: no box shares a scale with a score, as INT8 wants it.

    Args:
        checkpoint: The averaged weights are taken.
        folder: Where to.
        facts: How it was trained and what it reaches, for the package's provenance.
        name: Of the files.
        license: Of the weights, SPDX.

    Raises:
        ModelError: The disk refuses, or something else is in the way.
    """
    size = checkpoint.recipe.input
    form, about = spec(checkpoint.config, size, checkpoint.labels)
    path = folder / f"{name}.onnx"
    metadata = {
        "names": repr(dict(enumerate(checkpoint.labels))),
        "imgsz": str([size, size]),
        "task": "detect",
        "family": about.family,
    }
    if about.anchors:
        metadata["anchors"] = repr(about.anchors)
    export(checkpoint.network(), path, form=form, size=Size(size, size), metadata=metadata)
    known = ["family", "input", "labels", *(["anchors"] if about.anchors else [])]
    content = path.read_bytes()
    graph = simplify(onnx.read(content).graph)
    about = replace(about, output_names=tuple(graph.outputs))
    if about.anchors:  # what only turns the maps would fix their size
        cut = next(cuts(graph, about))
        graph, about = cut.graph, cut.spec
    made = Package(
        name=name,
        spec=about,
        artifacts=(float_artifact(USUAL, graph, half=runtime(USUAL).precision == "fp16"),),
        license=license,
        provenance={
            "tool": f"edge-yolo {__version__}",
            "sources": {path.name: sha256(content).hexdigest()},
            "training": dict(facts),
        },
        sources=dict.fromkeys((*known, "color", "letterbox"), "training"),
    )
    package.write(made, folder / f"{name}.edge", force=True)
