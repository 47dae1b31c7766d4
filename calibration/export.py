"""Networks to ONNX files, in the forms of `calibration.forms`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import onnx
import torch
from torch import nn

from calibration.forms import Suppression, forms, module
from edge.types import Size


def export(
    net: nn.Module,
    out: Path,
    *,
    form: str,
    size: Size,
    suppression: Suppression | None = None,
    any_batch: bool = False,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a network as ONNX.

    Args:
        net: From `calibration.nets`, in training or deployed form; it is not changed.
        out: The file; it appears whole or not at all.
        form: Key into `forms(net.config)`.
        size: Of the network input.
        suppression: For the forms that have it inside.
        any_batch: Leave the number of images open, as upstream's --dynamic-batch does, instead
            of one. Not with "end2end-ort", which is of one image.
        metadata: Written into the file as it is.

    Raises:
        ValueError: The network has no such form, the size is not a multiple of 32, or the form
            has no open batch.
    """
    wrapped = module(net, form, size, suppression)
    row = forms(net.config)[form]
    if any_batch and form == "end2end-ort":
        raise ValueError("end2end-ort is of one image; its batch cannot be left open")
    dynamic = {name: dict(axes) for name, axes in row.dynamic.items()}
    if any_batch:
        dynamic[row.input] = {0: "batch"}
        dynamic |= {name: {0: "batch"} for name in row.outputs if name not in row.dynamic}
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The tracing exporter is the one that needs no further packages; torch says that it
            # is old, and that traced shapes are constants, which is what a fixed input means.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            torch.onnx.export(
                wrapped,
                (torch.zeros(1, 3, size.height, size.width),),
                partial,
                input_names=[row.input],
                output_names=list(row.outputs),
                opset_version=row.opset,
                dynamic_axes=dynamic,
                dynamo=False,
            )
        if metadata:
            graph = onnx.load(partial)
            onnx.helper.set_model_props(graph, dict(metadata))
            onnx.save(graph, partial)
        partial.replace(out)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
