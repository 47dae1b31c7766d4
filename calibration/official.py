"""Official checkpoints to ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.checkpoints import Checkpoint, read
from calibration.nets.config import Config, YOLOv7Tiny, family
from calibration.nets.fold import fold
from edge.errors import NotInstalledError, UnsupportedModelError
from edge.types import Size


@dataclass(frozen=True, slots=True)
class Converted:
    """What was converted.

    Attributes:
        family: Of the network, key into `edge.models.FAMILIES`.
        notes: What a person should know, one line each.
    """

    family: str
    notes: tuple[str, ...]


CHECKPOINT_SUFFIXES = (".pt", ".pth", ".ckpt")


def convert(
    files: Sequence[Path],
    out: Path,
    *,
    input_: Size | None = None,
    form: str | None = None,
    labels: Sequence[str] = (),
) -> Converted:
    """Convert model files to another form, which the suffix of `out` names.

    Args:
        files: One checkpoint (.pt, .pth, .ckpt).
        out: An .onnx file; it appears whole or not at all.
        input_: Size of the network input; where not given, that of its training, or 640x640 where
            the file does not say.
        form: Of the outputs, key into `calibration.forms.forms`; boxes in pixels where not given.
        labels: Class names, in place of the file's own.

    Raises:
        ModelError: The file is no checkpoint, is damaged, or its tensors do not fit.
        UnsupportedModelError: No conversion from these files to that one, or the network is not
            one that can be built here.
        ValueError: The form, the size or the number of labels does not fit the network.
        NotInstalledError: torch is missing.
    """
    suffixes = {file.suffix.lower() for file in files}
    if len(files) != 1 or suffixes - set(CHECKPOINT_SUFFIXES) or out.suffix.lower() != ".onnx":
        result = ", ".join(file.name for file in files) or "no file"
        raise UnsupportedModelError(
            f"no conversion from {result} to {out.name}: one checkpoint "
            f"({', '.join(CHECKPOINT_SUFFIXES)}) to .onnx is what there is"
        )
    checkpoint = checkpoint_to_onnx(files[0], out, input_=input_, form=form, labels=labels)
    return Converted(family(checkpoint.config), _report(checkpoint))


def checkpoint_to_onnx(
    path: Path,
    out: Path,
    *,
    input_: Size | None = None,
    form: str | None = None,
    labels: Sequence[str] = (),
) -> Checkpoint:
    """Write a checkpoint's network as ONNX, deployed, with its labels as metadata.

    Arguments and errors are those of `convert`.

    Returns:
        What was read.
    """
    checkpoint = read(path)
    names = tuple(labels) or checkpoint.labels
    if names and len(names) != checkpoint.config.classes:
        raise ValueError(f"{len(names)} labels for {checkpoint.config.classes} classes")
    try:
        from calibration.export import export
        from calibration.nets.network import load
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx"):
            raise
        raise NotInstalledError(f"converting a checkpoint needs {error.name}", "train") from error
    size = input_ or checkpoint.input or Size(640, 640)
    state = checkpoint.state if checkpoint.deployed else fold(checkpoint.state, checkpoint.eps)
    net = load(checkpoint.config, state, deployed=True)
    form = form or usual_form(checkpoint.config)
    metadata = _metadata(checkpoint, names, size)
    export(net, out, form=form, size=size, metadata=metadata)
    return checkpoint


def usual_form(config: Config) -> str:
    """The form whose boxes are decoded, which needs no knowledge of anchors to be read."""
    return "grid" if isinstance(config, YOLOv7Tiny) else "decoded"


def _metadata(checkpoint: Checkpoint, labels: tuple[str, ...], size: Size) -> Mapping[str, str]:
    """The keys that Ultralytics' exports have, which most readers know, family and anchors."""
    results = {
        "description": checkpoint.name,
        "stride": str(max(checkpoint.strides)),
        "imgsz": str([size.height, size.width]),
        "task": "detect",
    }
    if labels:
        results["names"] = repr(dict(enumerate(labels)))
    results["family"] = family(checkpoint.config)
    if checkpoint.anchors:
        results["anchors"] = repr(checkpoint.anchors)
    return results


def _report(checkpoint: Checkpoint) -> tuple[str, ...]:
    form = "deployed" if checkpoint.deployed else "training"
    lines = [
        f"{checkpoint.name}, {checkpoint.config.classes} classes, {form} form, from "
        f"{checkpoint.origin!r} of the file",
        *checkpoint.notes,
    ]
    if checkpoint.refused:
        lines.append(f"the file asks for calls that were not done: {', '.join(checkpoint.refused)}")
    return tuple(lines)
