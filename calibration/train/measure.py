"""Average precision of a network in training: by the detector and the numbers of `edge eval`."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from calibration.forms import forms, module
from calibration.nets.config import Config, YOLOv7Tiny
from edge.backends.base import Precision, TensorSpec
from edge.detector import Detector
from edge.errors import DataError
from edge.evaluate import Evaluation, evaluate
from edge.io.datasets import Dataset, Images
from edge.models.base import ModelSpec
from edge.types import Failure, Float32Array, Size, Tensor

SCORE, IOU = 0.03, 0.65  # as `edge eval`


def spec(config: Config, size: int, labels: tuple[str, ...]) -> tuple[str, ModelSpec]:
    """The form of `calibration.forms` in which a network is deployed, and what its outputs mean.

    It is the raw heads. The names of the outputs are those of an export only where it names all.
    """
    if isinstance(config, YOLOv7Tiny):
        form, family, anchors = "raw", "yolov7-tiny", config.anchors
    else:
        form, family, anchors = "heads", "yolov6", ()
    row = forms(config)[form]
    return form, ModelSpec(
        family=family,
        form="heads",
        input=Size(size, size),
        labels=labels,
        anchors=anchors,
        input_name=row.input,
        output_names=row.outputs,
    )


class _Torch:
    """A network in torch as a backend, so that what is measured is what is deployed."""

    precision: Precision = "fp32"

    def __init__(self, net: nn.Module, form: str, spec: ModelSpec) -> None:
        size = spec.input
        self.input = TensorSpec(spec.input_name, (1, 3, size.height, size.width))
        self.threads = torch.get_num_threads()
        self._module = module(net, form, size)
        self._buffer: Float32Array = np.zeros(self.input.shape, np.float32)

    def input_view(self) -> Float32Array:
        """See `Backend.input_view`."""
        return self._buffer

    def run(self) -> tuple[Tensor, ...]:
        """See `Backend.run`."""
        with torch.inference_mode():
            result = self._module(torch.from_numpy(self._buffer))
        maps = result if isinstance(result, tuple) else (result,)
        return tuple(Tensor(values[0].numpy()) for values in maps)

    def close(self) -> None:
        """Nothing is held."""


def measure(net: nn.Module, dataset: Dataset, labels: tuple[str, ...], size: int) -> Evaluation:
    """Evaluate a network, in training or deployed form, on the CPU.

    Args:
        net: In evaluation mode; not changed.
        dataset: With the class ids of `labels`.
        labels: By class id.
        size: Side of the input.

    Raises:
        DataError: An image cannot be read.
    """
    form, about = spec(net.config, size, labels)
    truth, result = [], []
    with Detector(
        about, _Torch(net, form, about), conf=SCORE, iou=IOU, multi_label=True
    ) as detector:
        for frame in Images(dataset.samples):
            if isinstance(frame, Failure):
                raise DataError(f"{frame.source}: {frame.reason}")
            truth.append(dataset.samples[frame.index].objects(frame.size))
            result.append(detector.run(frame).detections)
    return evaluate(truth, result, classes=len(labels))
