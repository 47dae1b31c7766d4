"""What every runtime offers: arrays in, arrays out. It knows tensors, not boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np

from edge.types import AnyArray, Layout, Size, Tensor

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
Device: TypeAlias = Literal["cpu", "vulkan", "cuda", "tensorrt"]

MOST_THREADS = 256  # a runtime that cannot start them ends the process

# Inputs beside the image, in some exports, through which boxes are scaled to the photograph. With
# these values they stay in pixels of the network input.
SIDE_INPUTS: Mapping[str, Callable[[Size], AnyArray]] = MappingProxyType(
    {
        "scale_factor": lambda _: np.ones((1, 2), np.float32),
        "im_shape": lambda size: np.array([[size.height, size.width]], np.float32),
        "orig_target_sizes": lambda size: np.array([[size.width, size.height]], np.int64),
    }
)

ModelFiles: TypeAlias = Mapping[str, bytes]  # suffix without the dot ("param", "bin") to content


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The input of a network.

    Attributes:
        name: As in the model file.
        shape: With the batch axis.
        dtype: "float32", "uint8" or "int8".
        layout: Order of the axes.
        scale: real = scale * (code - zero_point); 1 for float32.
        zero_point: The code of zero; 0 for float32.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: Layout = "NCHW"
    scale: float = 1.0
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class Description:
    """What a model file says of itself.

    Attributes:
        inputs: Shapes have -1 where any size will do.
        outputs: Names of the outputs.
        precision: Of the weights, and of the arithmetic where that is "int8".
        metadata: What the exporter left in the file, as it stands there.
        warnings: Sentences: what of that could not be read.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    precision: Precision
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What every runtime lets one choose.

    Attributes:
        threads: Worker threads inside one inference; 0 takes one per core.
        precision: Arithmetic of a float model. None: fp16 where the CPU computes in it, else
            fp32. A model whose file is INT8 runs INT8 whatever is asked.
        device: What computes; see `edge.backends.DEVICES` for who offers which.
        winograd: Whether small convolutions may be computed by Winograd's method, where the
            runtime has it and lets one choose (ncnn, MNN): faster, but it rounds more. MNN's
            costs five bits of float32 a network, which decides about boxes in a fragile one.

    Raises:
        ValueError: One is out of range.
    """

    threads: int = 0
    precision: Precision | None = None
    device: Device = "cpu"
    winograd: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= MOST_THREADS:
            raise ValueError(f"threads are 0 (one per core) to {MOST_THREADS}, got {self.threads}")
        if self.precision not in (None, *get_args(Precision)):
            known = ", ".join(get_args(Precision))
            raise ValueError(f"precision is one of {known}, got {self.precision!r}")
        if self.device not in get_args(Device):
            known = ", ".join(get_args(Device))
            raise ValueError(f"device is one of {known}, got {self.device!r}")


class Backend(Protocol):
    """A model loaded on one runtime. Not thread safe: one per thread."""

    @property
    def input(self) -> TensorSpec:
        """The one input."""

    @property
    def precision(self) -> Precision:
        """The arithmetic in effect."""

    @property
    def threads(self) -> int:
        """The worker threads in effect."""

    def input_view(self) -> AnyArray:
        """The buffer that the next `run` reads; shape and dtype of `input`. Fill all of it.

        A runtime may use the same memory for other things while it runs.
        """

    def run(self) -> tuple[Tensor, ...]:
        """Infer once, from what `input_view` holds.

        Returns:
            The outputs in the order asked for at load; views valid until the next run or close.

        Raises:
            BackendError: The runtime failed.
        """

    def close(self) -> None:
        """Free the runtime's memory. Safe to call twice."""


class Load(Protocol):
    """The function `load` of a backend's module."""

    def __call__(
        self, files: ModelFiles, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
    ) -> Backend:
        """A model ready to run.

        Args:
            files: Content of the model's files.
            input_: The input's name and shape; runtimes with dynamic shapes take this one.
            outputs: Names of the tensors that `Backend.run` returns.
            options: Threads and precision.

        Raises:
            ModelError: The files are not a model of this runtime, are damaged, or lack one of
                the tensors.
            BackendError: The runtime cannot do what the options ask.
        """


class Describe(Protocol):
    """The function `describe` of a backend's module."""

    def __call__(self, files: ModelFiles) -> Description:
        """What a model's files say of themselves.

        Raises:
            ModelError: The files are not a model of this runtime, or are damaged.
        """
