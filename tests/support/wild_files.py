"""Detectors of the shared folder `models/wild`, as they are and with all names made numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Files = Mapping[str, bytes]


def facts(shared: Path) -> dict[str, dict]:
    """What is known of each, by the name of its folder."""
    listed = json.loads((shared / "models/wild/wild.json").read_text())["models"]
    return {model["name"]: model for model in listed}


def files(shared: Path, name: str) -> dict[str, bytes]:
    """Contents by suffix; weights that are not there are random."""
    folder = shared / "models/wild" / name
    contents = {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}
    if contents.keys() == {"param"}:
        contents["bin"] = random_weights(contents["param"])
    return contents


def random_weights(param: bytes) -> bytes:
    """A .bin for convolutions alone: a tag, weights and biases, small enough to run through."""
    rng, parts = np.random.default_rng(0), []
    for line in param.decode().splitlines():
        if not line.startswith(("Convolution ", "ConvolutionDepthWise ")):
            continue
        numbers = dict(re.findall(r" (\d+)=(\d+)(?= |$)", line))
        count, outputs = int(numbers["6"]), int(numbers["0"])
        spread = np.sqrt(2 * outputs / count)
        parts += [bytes(4), rng.normal(0, spread, count).astype("<f4").tobytes()]
        if numbers.get("5") == "1":
            parts.append(rng.normal(0, 0.1, outputs).astype("<f4").tobytes())
    return b"".join(parts)


def nameless(contents: Files) -> dict[str, bytes]:
    """The same model with numbers for all names, and without what an exporter says of it."""
    if "onnx" in contents:
        return {"onnx": _nameless_onnx(contents["onnx"])}
    if "param" in contents:
        return {**contents, "param": _nameless_param(contents["param"])}
    raise ValueError(f"only ncnn and ONNX models are renamed here, got {sorted(contents)}")


def _nameless_param(content: bytes) -> bytes:
    lines = content.decode().splitlines()
    numbers: dict[str, str] = {}
    result = lines[:2]
    for line in lines[2:]:
        kind, _, *rest = line.split()
        count = int(rest[0]) + int(rest[1])
        blobs = [numbers.setdefault(blob, str(len(numbers) + 100)) for blob in rest[2 : 2 + count]]
        parameters = [p for p in rest[2 + count :] if not p.startswith("-23330")]
        if kind == "Input":
            parameters = []  # the size, which not every converter writes
        result.append(" ".join([kind, f"l{len(result)}", *rest[:2], *blobs, *parameters]))
    return ("\n".join(result) + "\n").encode()


def _nameless_onnx(content: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    numbers: dict[str, str] = {"": ""}

    def number(name: str) -> str:
        return numbers.setdefault(name, str(len(numbers) + 100))

    graph = model.graph
    for node in graph.node:
        node.name = ""
        node.input[:] = [number(name) for name in node.input]
        node.output[:] = [number(name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = number(value.name)
    del graph.value_info[:]
    del model.metadata_props[:]
    graph.name, model.producer_name, model.doc_string = "x", "", ""
    return model.SerializeToString()
