"""What exporters leave in a model file, or beside it, about the model.

Read is what Ultralytics' exports carry: ONNX `metadata_props`, a text in the zip at the end of a
.tflite, MNN's `bizCode`, `metadata.yaml` beside an ncnn model, and the `rt_info` of an OpenVINO
model. Values are literals of Python or JSON; they are parsed as such and never run.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.models.base import Anchors
from edge.types import Size

_LIMIT = 1 << 20  # characters
_PAIR = re.compile(r"(\w+):[ \t]*(.*)")
_VALUE = re.compile(r'<(\w+) value="([^"]*)"')
_NAME = re.compile(r"[ \t]+(\d+):[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metadata say; None where they do not.

    Attributes:
        task: "detect", "segment", "pose", "obb" or "classify".
        labels: Class names, by class id.
        input: Size of the network input.
        end_to_end: Whether suppression is inside the model.
        family: Key into `edge.models.FAMILIES`, in files that were written here.
        anchors: By level, in input pixels; likewise.
        label_file: Names of classes, a line each, in a file of their own.
    """

    task: str | None = None
    labels: tuple[str, ...] | None = None
    input: Size | None = None
    end_to_end: bool | None = None
    family: str | None = None
    anchors: Anchors | None = None
    label_file: tuple[str, ...] | None = None


def read(metadata: Mapping[str, str]) -> Facts:
    """The facts in a model's metadata; what is not understood is passed over."""
    values: dict[str, Any] = {}
    label_files = []
    for key, text in metadata.items():
        parsed = _literal(text)
        if parsed == text and key.lower().endswith(".txt"):
            label_files.append(tuple(line.strip() for line in text.strip().splitlines()))
        if isinstance(parsed, dict) and "names" in parsed:  # all of it in one text
            values.update(parsed)
        else:
            values[key] = parsed
    task, whole, family = (values.get(key) for key in ("task", "end2end", "family"))
    return Facts(
        task if isinstance(task, str) else None,
        _labels(values.get("names")),
        _size(values.get("imgsz")),
        whole if isinstance(whole, bool) else None,
        family if isinstance(family, str) else None,
        _anchors(values.get("anchors")),
        label_files[0] if len(label_files) == 1 and label_files[0] else None,
    )


def parse_yaml(text: str) -> dict[str, str]:
    """The top-level keys of a simple YAML file to their text; `names` may be a block."""
    texts: dict[str, str] = {}
    names: dict[int, str] = {}
    block = False
    for line in text[:_LIMIT].splitlines():
        if (name := _NAME.fullmatch(line)) and block:
            names[int(name[1])] = name[2].strip().strip("'\"")
        elif pair := _PAIR.fullmatch(line):
            block = pair[1] == "names" and not pair[2]
            texts[pair[1]] = pair[2]
        elif line.strip().startswith("- ") and texts:
            key = list(texts)[-1]
            item = line.strip()[2:]
            texts[key] = f"[{item}]" if not texts[key] else f"{texts[key][:-1]}, {item}]"
    if names:
        texts["names"] = repr(names)
    return texts


def parse_rt_info(text: str) -> dict[str, str]:
    """What an OpenVINO model (.xml) says of itself, by the names that `read` knows.

    Nothing where it is not one, or says nothing. Labels stand there as one text, with a space
    between two and an underscore for a space in one.

    Source: OpenVINO's Model API, parameters in `rt_info`.
    """
    start = text.rfind("<rt_info>")  # those before are of layers
    texts = dict(_VALUE.findall(text[start : start + _LIMIT] if start >= 0 else ""))
    facts = {key: html.unescape(texts[key]) for key in ("task", "imgsz", "names") if key in texts}
    if "labels" in texts:
        labels = [label.replace("_", " ") for label in html.unescape(texts["labels"]).split()]
        facts.setdefault("names", repr(labels))
    return facts


def _literal(text: str) -> Any:
    if len(text) > _LIMIT:
        return None
    for parse in (ast.literal_eval, json.loads):
        try:
            return parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # noqa: PERF203
            continue
    return {"true": True, "false": False}.get(text, text)


def _labels(names: object) -> tuple[str, ...] | None:
    if isinstance(names, dict):
        try:
            by_id = {int(key): str(name) for key, name in names.items()}
        except (TypeError, ValueError):
            return None
        if sorted(by_id) != list(range(len(by_id))):
            return None
        return tuple(by_id[i] for i in range(len(by_id))) or None
    if isinstance(names, (list, tuple)):
        return tuple(map(str, names)) or None
    return None


def _anchors(levels: object) -> Anchors | None:
    """Levels of pairs, or of numbers that follow each other in pairs."""
    try:
        pixels = [np.array(level, np.float64).reshape(-1, 2) for level in levels]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    if not pixels or not all(
        len(level) and np.isfinite(level).all() and (level > 0).all() for level in pixels
    ):
        return None
    return tuple(tuple((float(w), float(h)) for w, h in level) for level in pixels)


def _size(value: object) -> Size | None:
    sides = [value, value] if isinstance(value, int) else value
    if isinstance(sides, (list, tuple)) and len(sides) == 2:
        height, width = sides
        if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
            return Size(height, width)
    return None
