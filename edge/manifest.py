"""`model.toml`: the text form of a model's description, read strictly."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from edge.backends.base import Precision
from edge.errors import ModelError
from edge.formats import toml
from edge.models.base import ModelSpec, Preprocessing
from edge.types import Color, Layout, Placement, Size

FORMAT = 2
_TASKS = ("detect",)
_SOURCES = ("file", "option", "training", "family", "assumed")
_FACTS = ("family", "input", "labels", "anchors", "color", "mean", "std", "letterbox", "pad")
# Keys and values of format 1 that were spelled otherwise.
_KEYS_OF_1 = {
    "artifacts": "artefacts",  # codespell:ignore
    "color": "colour",  # codespell:ignore
    "letterbox": "placement",
    "license": "licence",  # codespell:ignore
    "quantization": "quantisation",  # codespell:ignore
}
_VALUES_OF_1 = {"center": "centre"}  # codespell:ignore
SIZE_LIMIT = 8192  # pixels on a side
LABEL_LIMIT = 65536
_OLD_FORMS = MappingProxyType(  # names that earlier versions wrote
    {
        "centres": "centers",  # codespell:ignore
        "final": "end2end",
        "rows6": "end2end_6",
        "rows7": "end2end_7",
    }
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """What `model.toml` says of one artifact; `files` maps a name in the package to its SHA-256."""

    backend: str
    precision: Precision
    layout: Layout
    files: Mapping[str, str]
    best_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that `model.toml` says; see `edge.package.Package`."""

    name: str
    spec: ModelSpec
    artifacts: tuple[ArtifactEntry, ...]
    license: str
    provenance: Mapping[str, Any]
    quantization: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def dumps(manifest: Manifest) -> bytes:
    """The file's content."""
    spec, pre = manifest.spec, manifest.spec.preprocessing
    return toml.dumps(
        {
            "format": FORMAT,
            "name": manifest.name,
            "license": manifest.license,
            "model": {
                "task": _TASKS[0],
                "family": spec.family,
                "form": spec.form,
                "outputs": spec.output_names,
                "strides": spec.strides,
                "anchors": [[list(a) for a in level] for level in spec.anchors],
                "labels": spec.labels,
            },
            "input": {
                "name": spec.input_name,
                "height": spec.input.height,
                "width": spec.input.width,
                "color": pre.color,
                "mean": pre.mean,
                "scale": pre.scale,
                "pad": pre.pad,
                "letterbox": pre.placement,
            },
            "artifacts": [
                {
                    "backend": entry.backend,
                    "precision": entry.precision,
                    "layout": entry.layout,
                    "best_for": entry.best_for,
                    "files": dict(entry.files),
                }
                for entry in manifest.artifacts
            ],
            "sources": dict(manifest.sources),
            "provenance": dict(manifest.provenance),
            "quantization": dict(manifest.quantization),
        }
    )


def loads(data: bytes, name: str) -> Manifest:
    """Read the file's content.

    Args:
        data: The content.
        name: Of the file, for messages.

    Raises:
        ModelError: Not TOML, of a newer format, or a key is missing, unknown or absurd.
    """
    root = _Table(toml.loads(data, name), name, "")
    version = root.version = root.whole("format", 1, 1 << 30)
    if version > FORMAT:
        raise ModelError(
            f"{name}: package format {version} is newer than format {FORMAT}, "
            "the newest that this version of edge reads; update edge-yolo"
        )
    manifest = Manifest(
        name=root.text("name"),
        license=root.text("license"),
        spec=_spec(root.table("model"), root.table("input")),
        artifacts=tuple(_artifact(entry) for entry in root.tables("artifacts")),
        provenance=root.facts("provenance"),
        quantization=root.facts("quantization"),
        sources=_sources(root.table("sources")) if version > 1 else MappingProxyType({}),
    )
    root.done()
    keys = [(entry.backend, entry.precision) for entry in manifest.artifacts]
    if len(set(keys)) != len(keys):
        raise ModelError(f"{name}: two artifacts have the same backend and precision")
    return manifest


def _sources(table: _Table) -> Mapping[str, str]:
    sources = {fact: table.choice(fact, _SOURCES) for fact in _FACTS if fact in table.left}
    table.done()
    return MappingProxyType(sources)


def _spec(model: _Table, input_: _Table) -> ModelSpec:
    if model.version > 1:
        model.choice("task", _TASKS)
    outputs, scale = model.texts("outputs", 256), input_.numbers("scale", -1e6, 1e6, count=3)
    if len(set(outputs)) != len(outputs):
        raise model.error("outputs", outputs, "names that differ")
    if 0 in scale:
        raise input_.error("scale", scale, "numbers other than 0")
    spec = ModelSpec(
        family=model.text("family"),
        form=_OLD_FORMS.get(form := model.text("form"), form),
        input=Size(
            input_.whole("height", 1, SIZE_LIMIT),
            input_.whole("width", 1, SIZE_LIMIT),
        ),
        labels=model.texts("labels", LABEL_LIMIT),
        strides=tuple(int(n) for n in model.numbers("strides", 1, SIZE_LIMIT, integer=True)),
        anchors=_anchors(model),
        input_name=input_.text("name"),
        output_names=outputs,
        preprocessing=Preprocessing(
            color=input_.choice("color", get_args(Color)),
            mean=_three(input_.numbers("mean", -1e6, 1e6, count=3)),
            scale=_three(scale),
            pad=_three([int(n) for n in input_.numbers("pad", 0, 255, count=3, integer=True)]),
            placement=input_.choice("letterbox", get_args(Placement)),
        ),
    )
    model.done()
    input_.done()
    return spec


def _anchors(model: _Table) -> tuple[tuple[tuple[float, float], ...], ...]:
    levels = model.value("anchors", list)
    try:
        sides = [side for level in levels for w, h in level for side in (w, h)]
    except (TypeError, ValueError):
        sides = [None]
    if not all(type(n) in (int, float) and 0 < n <= SIZE_LIMIT for n in sides):  # NaN is neither
        expected = f"a list of levels of [width, height], each above 0 and up to {SIZE_LIMIT}"
        raise model.error("anchors", levels, expected)
    return tuple(tuple((float(w), float(h)) for w, h in level) for level in levels)


def _artifact(entry: _Table) -> ArtifactEntry:
    backend = entry.text("backend")
    if not re.fullmatch(r"[a-z0-9_-]+", backend):  # it becomes the name of a folder
        raise entry.error("backend", backend, "small letters, digits, - and _")
    files = entry.value("files", dict)
    for name, digest in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not path.suffix:
            raise entry.error("files", name, "names inside the package, with a suffix")
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise entry.error(f"files.{name}", digest, "a SHA-256 in hexadecimal")
    if len({PurePosixPath(name).suffix for name in files}) != len(files) or not files:
        raise entry.error("files", sorted(files), "at least one file, each with another suffix")
    result = ArtifactEntry(
        backend=backend,
        precision=entry.choice("precision", get_args(Precision)),
        layout=entry.choice("layout", get_args(Layout)),
        files=MappingProxyType(files),
        best_for=entry.texts("best_for", 64, low=0) if entry.version > 1 else (),
    )
    entry.done()
    return result


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _three(values: Sequence[T]) -> tuple[T, T, T]:
    first, second, third = values
    return first, second, third


class _Table:
    """One table of the document; takes each key once and then knows what was not expected."""

    def __init__(
        self, values: Mapping[str, Any], file: str, path: str, version: int = FORMAT
    ) -> None:
        self.version = version  # of the document
        self._left = dict(values)
        self._file = file
        self._path = path
        self._taken: list[str] = []

    @property
    def left(self) -> tuple[str, ...]:
        """Keys that were not taken yet."""
        return tuple(self._left)

    def value(self, key: str, kind: type[T]) -> T:
        key = self._spelled(key)
        self._taken.append(key)
        if key not in self._left:
            raise ModelError(f"{self._file}: {self._name(key)} is missing")
        result = self._left.pop(key)
        if type(result) is not kind:
            raise self.error(key, result, f"a {kind.__name__}")
        return result

    def text(self, key: str) -> str:
        return self.value(key, str)

    def facts(self, key: str) -> Mapping[str, Any]:
        """A table of anything that JSON has: texts, finite numbers, booleans, lists and tables."""
        result = self.value(key, dict)
        for fact, value in result.items():
            if not _is_plain(value):
                raise self.error(f"{key}.{fact}", value, "texts, numbers, lists and tables")
        return MappingProxyType(result)

    def whole(self, key: str, low: int, high: int) -> int:
        result = self.value(key, int)
        if not low <= result <= high:
            raise self.error(key, result, f"{low} to {high}")
        return result

    def choice(self, key: str, known: Sequence[Any]) -> Any:
        result = self.text(key)
        spelled = {self._spelled(name): name for name in known}
        if result not in spelled:
            raise self.error(key, result, " or ".join(spelled))
        return spelled[result]

    def texts(self, key: str, limit: int, *, low: int = 1) -> tuple[str, ...]:
        result = self.value(key, list)
        if not low <= len(result) <= limit or not all(isinstance(item, str) for item in result):
            raise self.error(key, result, f"a list of {low} to {limit} strings")
        return tuple(result)

    def numbers(
        self, key: str, low: float, high: float, *, count: int | None = None, integer: bool = False
    ) -> tuple[float, ...]:
        result = self.value(key, list)
        kinds = (int,) if integer else (int, float)
        good = all(type(n) in kinds and math.isfinite(n) and low <= n <= high for n in result)
        if not good or (count is not None and len(result) != count) or len(result) > 256:
            number = "whole number" if integer else "number"
            expected = f"{count} {number}s" if count else f"a list of {number}s"
            raise self.error(key, result, f"{expected} from {low:g} to {high:g}")
        return tuple(result)

    def table(self, key: str) -> _Table:
        return _Table(self.value(key, dict), self._file, self._name(key), self.version)

    def tables(self, key: str) -> list[_Table]:
        result = self.value(key, list)
        if not result or not all(isinstance(item, dict) for item in result):
            raise self.error(key, result, "at least one table")
        return [
            _Table(t, self._file, f"{self._name(key)}[{i}]", self.version)
            for i, t in enumerate(result)
        ]

    def done(self) -> None:
        for key in self._left:
            near = difflib.get_close_matches(key, self._taken, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ModelError(f"{self._file}: unknown key {self._at(key)}{hint}")

    def error(self, key: str, result: object, expected: str) -> ModelError:
        shown = repr(result)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return ModelError(f"{self._file}: {self._name(key)} is {shown}, wanted {expected}")

    def _spelled(self, word: str) -> str:
        """A key or value as the format of the document spells it."""
        return {**_KEYS_OF_1, **_VALUES_OF_1}.get(word, word) if self.version == 1 else word

    def _name(self, key: str) -> str:
        return self._at(self._spelled(key))

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key
