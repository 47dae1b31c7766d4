"""From a model's files to what it is: family, input, classes, and from what evidence.

A package says itself what it is. A bare model file is run once, on a plain gray image, and
recognized by its metadata and by what its outputs look like; what cannot be seen there comes from
the family's usual settings or from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np

import edge.package
from edge import overrides as known
from edge import trial
from edge.backends import BACKENDS, describe
from edge.backends.base import ModelFiles, TensorSpec
from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn, ncnn_examples, ncnn_rewrite
from edge.look import Looks
from edge.model_folder import model_in
from edge.models import FAMILIES, family, metadata
from edge.models.base import Family, ModelSpec, Preprocessing, Recognition, Seen
from edge.overrides import Overrides
from edge.package import Artifact, Package
from edge.paths import exists
from edge.version import __version__


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model, and how it was recognized.

    Attributes:
        package: The model; for bare files, as `edge convert` writes it.
        evidence: Sentences: what each conclusion rests on.
    """

    package: Package
    evidence: tuple[str, ...]


def open_model(paths: Sequence[Path], overrides: Overrides | None = None) -> OpenedModel:
    """Read a package, or recognize model files.

    Args:
        paths: One package, the files of one model, or a folder with one. Of a file pair one is
            enough when the other lies beside it under the same name.
        overrides: What the user says; of a package, which knows the rest, name, license and the
            size that its files are to be run at.

    Raises:
        ModelError: The files are missing, damaged or not a model.
        UnsupportedModelError: No family reads such outputs, or several do.
        BackendError: The runtime of such files is missing or failed.
        ValueError: The input size said does not suit the model.
    """
    overrides = overrides or Overrides()
    for path in paths:
        if not exists(path, ModelError):
            raise ModelError(f"{path}: no such file or folder")
    if len(paths) == 1 and edge.package.is_package(paths[0]):
        return _packaged(paths[0], overrides)
    if openvino := next((path for path in map(_openvino, paths) if path), None):
        raise UnsupportedModelError(_unreadable(openvino))
    if len(paths) == 1 and paths[0].is_dir():
        paths = [model_in(paths[0]) or paths[0]]
    files = _files(paths)
    path = next(iter(files.values()))
    backend = next((name for name, kinds in BACKENDS.items() if kinds == files.keys()), None)
    if backend is None:
        kinds = ", ".join(" with ".join(f".{k}" for k in sorted(s)) for s in BACKENDS.values())
        raise UnsupportedModelError(
            f"{path}: not a model that edge reads; it reads .edge packages and {kinds}"
        )
    contents = {suffix: _content(file) for suffix, file in files.items()}
    try:
        opened = _at_size(backend, contents, _beside(path), overrides)
    except ModelError as error:
        raise type(error)(f"{path}: {error}") from error
    sources = {f.name: sha256(contents[kind]).hexdigest() for kind, f in files.items()}
    provenance = {
        "tool": f"edge-yolo {__version__}",
        "sources": sources,
        "recognized": list(opened.evidence),
    }
    name = overrides.name or path.stem
    return replace(opened, package=replace(opened.package, name=name, provenance=provenance))


def _packaged(path: Path, overrides: Overrides) -> OpenedModel:
    if overrides.reads:
        raise ModelError(f"{path}: a package knows what it is; convert its source files")
    package = edge.package.read(path)
    package = replace(
        package,
        name=overrides.name or package.name,
        license=overrides.license or package.license,
        spec=package.spec if overrides.input is None else package.spec.resized(overrides.input),
    )
    says = f"{edge.package.MANIFEST} says so"  # it stands there too where one was made of another
    return OpenedModel(package, (says, *(t for t in recorded(package, "recognized") if t != says)))


def recorded(package: Package, about: str) -> tuple[str, ...]:
    """What a package's provenance tells of a step, in sentences; one of others may say anything."""
    sentences = package.provenance.get(about, [])
    return tuple(map(str, sentences if isinstance(sentences, list) else [sentences]))


def _openvino(path: Path) -> Path | None:
    """The .xml of the OpenVINO model that a path is of; None where it is of none."""
    xml: Path | None = path if path.suffix.lower() == ".xml" else None
    if path.is_dir():
        xml = min(path.glob("*.xml"), default=None)
    elif path.suffix == ".bin" and not path.with_suffix(".param").exists():
        xml = path.with_suffix(".xml")
    if xml is None or not xml.is_file():
        return None
    with xml.open("rb") as file:
        return xml if b"<net " in file.read(1000) else None


def _unreadable(path: Path) -> str:
    facts = metadata.read(metadata.parse_rt_info(_content(path).decode(errors="replace")))
    labels = ""
    if facts.labels:
        first = ", ".join(facts.labels[:3]) + (", …" if len(facts.labels) > 3 else "")
        labels = f", which names {len(facts.labels)} classes ({first})"
    return (
        f"{path}: an OpenVINO model{labels}; there is no OpenVINO runtime here: export the network "
        "to ONNX instead, then edge convert NAME.onnx"
    )


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    """The files by suffix, with the missing half of an ncnn pair added."""
    files: dict[str, Path] = {}
    for path in paths:
        suffix = path.suffix[1:].lower()
        if path.is_dir():
            raise ModelError(
                f"{path}: a folder, but not a model package: no {edge.package.MANIFEST}, and no "
                "model file"
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


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > edge.package.FILE_LIMIT:
            raise ModelError(f"{path}: larger than {edge.package.FILE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


def _beside(path: Path) -> dict[str, str]:
    """Metadata that an exporter wrote into a file of its own, for formats without a place."""
    file = path.with_name("metadata.yaml")
    if path.suffix not in (".param", ".bin") or not file.is_file():
        return {}
    return metadata.parse_yaml(file.read_text(encoding="utf-8", errors="replace"))


def _at_size(
    backend: str, files: ModelFiles, beside: Mapping[str, str], overrides: Overrides
) -> OpenedModel:
    """As `_recognize`, which cannot say of a size why the model does not run at it."""
    try:
        return _recognize(backend, files, beside, overrides)
    except ModelError:
        if overrides.input is not None:
            with suppress(ModelError):
                usual = _recognize(backend, files, beside, replace(overrides, input=None))
                usual.package.spec.resized(overrides.input)
        raise


def _recognize(
    backend: str, files: ModelFiles, beside: Mapping[str, str], overrides: Overrides
) -> OpenedModel:
    ending, signs = None, frozenset[str]()
    if backend == "ncnn":  # it warns of some of what exporters write, at every inference
        network, ending = ncnn_examples.cut_detection(
            ncnn.read_network(files["param"], files["bin"])
        )
        signs = ncnn_examples.signs(network)
        network = ncnn_rewrite.simplify(ncnn_examples.replace_focus(network))
        files = dict(zip(("param", "bin"), ncnn.write_network(network), strict=True))
    trial.ensure(backend, files)
    description = describe(backend, files)
    facts = metadata.read({**description.metadata, **beside})
    if facts.task not in (None, "detect"):
        raise UnsupportedModelError(f"a model for the task {facts.task!r}; edge runs detectors")
    name = overrides.family or (facts.family if facts.family in FAMILIES else None)
    candidates = [family(name)] if name else list(FAMILIES.values())
    looks = Looks(
        backend, files, description, overrides, facts.input,
        chosen=name is not None, ending=ending, signs=signs,
    )  # fmt: skip
    matches = [
        (candidate, probe, recognition)
        for candidate in candidates
        if (probe := looks.at(candidate)) and (recognition := candidate.recognize(probe))
    ]
    if len(matches) != 1:
        raise _undecided(matches, looks, candidates)
    ((chosen, probe, recognition),) = matches
    labels, label_source, why = known.labels(
        recognition.classes, overrides, facts, usual=recognition.labels
    )
    anchors, anchor_source, which = known.anchors(
        chosen.name,
        recognition.anchors,
        overrides,
        recognition.anchors if ending else facts.anchors,
        [description.outputs.index(name) for name in recognition.outputs],
    )
    preprocessing, origins, assumptions = known.preprocessing(
        chosen.name,
        _by_codes(chosen.preprocessing, description.inputs[0]),
        overrides,
        channels=looks.channels,
    )
    spec = ModelSpec(
        family=chosen.name,
        form=recognition.form,
        input=probe.input,
        labels=labels,
        strides=recognition.strides,
        anchors=anchors,
        input_name=probe.input_name,
        output_names=recognition.outputs,
        preprocessing=preprocessing,
    )
    artifact = Artifact(backend, description.precision, files, description.inputs[0].layout)
    sources = {
        "family": "option" if overrides.family else "file",
        "input": "option" if overrides.input else "file" if looks.size_is_known else "family",
        "labels": label_source,
        **({"anchors": anchor_source} if anchors else {}),
        **origins,
    }
    license_ = overrides.license or ""
    package = Package("", spec, (artifact,), license_, sources=MappingProxyType(sources))
    shows = f"{chosen.name}: {recognition.evidence}"
    rest = ""
    if probe.left_out:
        names = ", ".join(probe.left_out)
        rest = f"{len(probe.left_out)} raw maps ({names}) hold the same undecoded: left out"
    evidence = (shows, why, which, *assumptions, rest, *description.warnings)
    return OpenedModel(package, tuple(filter(None, evidence)))


def _by_codes(usual: Preprocessing, input_: TensorSpec) -> Preprocessing:
    """The usual preprocessing, with the numbers of a quantized input where they mean the same.

    Such an input takes pixels as they are: 1/128 for 1/127.5 is a rounding of its exporter, and to
    round once more would shift pixels. One of whole numbers leaves the rest to the network.
    """
    if input_.dtype not in ("uint8", "int8"):
        return usual
    if (input_.dtype, input_.scale, input_.zero_point) == ("uint8", 1.0, 0):
        return replace(usual, mean=(0.0,) * 3, scale=(1.0,) * 3)
    zero = float(input_.zero_point + (128 if input_.dtype == "int8" else 0))
    same = np.allclose(usual.mean, zero, atol=1) and np.allclose(
        usual.scale, input_.scale, rtol=0.01
    )
    return replace(usual, mean=(zero,) * 3, scale=(input_.scale,) * 3) if same else usual


def _undecided(
    matches: Sequence[tuple[Family, Seen, Recognition]], looks: Looks, candidates: Sequence[Family]
) -> ModelError:
    if matches:
        names = ", ".join(candidate.name for candidate, _, _ in matches)
        return UnsupportedModelError(f"its outputs may be of any of {names}; choose with --family")
    shown = next((each for each in looks.probe.values() if each), None)
    if shown is None:
        return looks.error or UnsupportedModelError("it does not run")
    shapes = ", ".join(f"{name} {values.shape}" for name, values in shown.outputs.items())
    known = ", ".join(candidate.name for candidate in candidates)
    return UnsupportedModelError(
        f"its outputs at {shown.input} ({shapes}) are not those of: {known}"
    )
