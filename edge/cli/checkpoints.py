"""Training checkpoints (.pt) for the commands that take model files.

They are read by the calibrator, which is imported when such a file is given.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from edge import recognize
from edge.cli import UsageError
from edge.errors import ModelError, UnsupportedModelError
from edge.overrides import Overrides
from edge.recognize import OpenedModel
from edge.text import printable

SUFFIXES = (".pt", ".pth", ".ckpt")
_FINAL = {".tflite": "TensorFlow Lite", ".mnn": "MNN"}  # read by their runtimes alone


def is_checkpoint(files: Sequence[Path]) -> bool:
    """Whether these are to be read as a checkpoint, by the first one's name."""
    return files[0].suffix.lower() in SUFFIXES


def check_source(files: Sequence[Path]) -> None:
    """Refuse, before any work, files that no others can be written from.

    Raises:
        UnsupportedModelError: A file is read by its own runtime alone; says which to give instead.
    """
    for file in files:
        if (runtime := _FINAL.get(file.suffix.lower())) and file.is_file():
            raise UnsupportedModelError(
                f"{file}: a file for {runtime} runs as it is (edge run --model {file} …); INT8 and "
                "files for other runtimes are made from the network's ONNX export, its ncnn files "
                "or its checkpoint: give one of those"
            )


def open_model(files: Sequence[Path], overrides: Overrides) -> OpenedModel:
    """As `edge.recognize.open_model`, of checkpoints too.

    Raises:
        EdgeError: As there; and `NotInstalledError` where torch is missing.
        UsageError: An option does not fit the network.
    """
    if not is_checkpoint(files):
        try:
            return recognize.open_model(files, overrides)
        except ValueError as error:
            raise UsageError(str(error)) from error
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{files[0].stem}.onnx"
        family, sentences = to_onnx(files, file, overrides)
        completed = overrides if overrides.family else replace(overrides, family=family)
        try:
            opened = recognize.open_model([file], completed)
        except ModelError as error:
            raise type(error)(str(error).replace(str(file), str(files[0]))) from error
    package = opened.package
    sources = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    evidence = (*sentences, *opened.evidence)
    provenance = {**package.provenance, "sources": sources, "recognized": list(evidence)}
    return OpenedModel(replace(package, provenance=provenance), evidence)


def to_onnx(files: Sequence[Path], out: Path, overrides: Overrides) -> tuple[str, tuple[str, ...]]:
    """Write a checkpoint as ONNX. Returns its family, and sentences: what it is.

    Raises:
        EdgeError: The file is no checkpoint of a network known here, or torch is missing.
        UsageError: An option does not fit the network.
    """
    try:
        converted = import_module("calibration.official").convert(
            files, out, input_=overrides.input, labels=overrides.labels or ()
        )
    except (ValueError, OSError) as error:
        raise UsageError(f"{files[0]}: {error}") from error
    return converted.family, converted.notes


def report(sentences: Sequence[str], out: Path) -> None:
    """Say on stderr what was concluded and written."""
    for sentence in sentences:
        print(printable(sentence), file=sys.stderr)
    print(printable(f"wrote {out}"), file=sys.stderr)
