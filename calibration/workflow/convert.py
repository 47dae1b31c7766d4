"""Conversion from Python: `edge convert`, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.workflow.overrides import overrides
from edge.backends.base import Precision
from edge.cli import convert as command
from edge.overrides import Overrides
from edge.types import Size


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted.

    Attributes:
        file: That was written.
        notes: What was concluded of the model, and how each file was checked, a sentence each.
    """

    file: Path
    notes: tuple[str, ...]


def convert(
    model: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    targets: Sequence[str] = (),
    precision: Precision | None = None,
    data: str | Path | None = None,
    family: str | None = None,
    labels: Sequence[str] | None = None,
    imgsz: int | str | Size | None = None,
    license: str | None = None,
    reading: Overrides | None = None,
    zipped: bool = False,
    force: bool = False,
) -> Conversion:
    """Make a package of a model's files, or of a checkpoint an ONNX file, as `edge convert` does.

    Args:
        model: The files of one model (of a pair, one will do), a checkpoint (.pt) or a package.
        output: NAME.edge; of a checkpoint also NAME.onnx.
        targets: Runtimes to write files for, each checked against ONNX Runtime; none takes the
            files as they are.
        precision: Of the weights written with `targets`; None takes what is usual for each.
        data: An image to check them on, best with what the model finds; None renders one.
        family: Key into `edge.models.FAMILIES`; None recognizes it.
        labels: Class names; None takes the model's own.
        imgsz: Input size: a side, "HxW" or a `Size`; None takes the model's own.
        license: Of the weights, SPDX; None takes the model's own.
        reading: What else a model file does not tell, such as preprocessing; packages know it.
        zipped: One file instead of a folder.
        force: Replace what is at `output`.

    Raises:
        UsageError: Arguments do not fit each other or the model.
        ModelError: The files cannot be read, do not compute what they should, or something is
            there already.
        UnsupportedModelError: The model is not known, or a runtime lacks operators.

    Example:
        >>> import calibration
        >>> made = calibration.convert("cells.edge", "all.edge", targets=["ncnn", "onnxruntime"])
        >>> made.file.name
        'all.edge'
        >>> print(made.notes[-1])  # doctest: +ELLIPSIS
        onnxruntime fp32: agrees with ONNX Runtime, ...
    """
    files = [model] if isinstance(model, str | Path) else model
    notes = command.convert(
        [Path(file) for file in files],
        Path(output),
        overrides(family, labels, imgsz, license, reading),
        targets=targets,
        precision=precision,
        data=None if data is None else Path(data),
        zipped=zipped,
        force=force,
    )
    return Conversion(Path(output), notes)
