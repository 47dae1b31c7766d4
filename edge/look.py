"""What a bare model file shows when it runs once, on a plain gray image."""

from __future__ import annotations

import numpy as np

from edge.backends import open_backend
from edge.backends.base import BackendOptions, Description, ModelFiles, TensorSpec
from edge.errors import ModelError, UnsupportedModelError
from edge.formats import ncnn_examples
from edge.models.anchor_heads import without_raw_maps
from edge.models.base import Family, Seen
from edge.overrides import Overrides
from edge.types import AnyArray, Size, Tensor

_LONGEST_MAP = 640  # cells; a table has more rows
_GRAY = 114  # the color that letterboxes are padded with


class Looks:
    """Runs the model at the input sizes in question, each once."""

    def __init__(
        self,
        backend: str,
        files: ModelFiles,
        description: Description,
        overrides: Overrides,
        declared: Size | None,
        *,
        chosen: bool,
        ending: ncnn_examples.Ending | None,
        signs: frozenset[str],
    ) -> None:
        if len(description.inputs) != 1:
            names = ", ".join(spec.name for spec in description.inputs) or "none"
            raise UnsupportedModelError(f"one input is wanted, found {names}")
        self._backend, self._files, self._description = backend, files, description
        self._size = overrides.input or declared or _fixed_size(description.inputs[0])
        self.size_is_known = self._size is not None
        self.channels = _channels(description.inputs[0])
        self._chosen, self._ending, self._signs = chosen, ending, signs
        self.probe: dict[Size, Seen | None] = {}
        self.error: ModelError | None = None

    def at(self, candidate: Family) -> Seen | None:
        """What the model shows at the size known for it, or at the family's usual size."""
        size = self._size or candidate.input
        if size not in self.probe:
            try:
                self.probe[size] = self._look(size)
            except ModelError as error:
                self.probe[size], self.error = None, error
        return self.probe[size]

    def _batched(self, tensor: Tensor) -> bool:
        """Whether a first axis of 1 is the batch: ncnn has none, so of maps it is the channels."""
        shape = tensor.values.shape
        return self._backend != "ncnn" or len(shape) != 3 or max(shape[1:]) > _LONGEST_MAP

    def _look(self, size: Size) -> Seen:
        spec = self._description.inputs[0]
        shape = (1, self.channels, size.height, size.width)
        if spec.layout == "NHWC":
            shape = (1, size.height, size.width, self.channels)
        names = self._description.outputs
        input_ = TensorSpec(spec.name, shape, layout=spec.layout)
        backend = open_backend(
            self._backend, self._files, input_, names, BackendOptions(precision=None)
        )
        try:
            view = backend.input_view()
            gray = {"float32": _GRAY / 255, "uint8": _GRAY, "int8": _GRAY - 128}
            view[...] = gray[view.dtype.name]
            outputs = {
                name: _real(tensor.values, tensor.scale, tensor.zero_point, self._batched(tensor))
                for name, tensor in zip(names, backend.run(), strict=True)
            }
        finally:
            backend.close()
        return without_raw_maps(
            Seen(spec.name, size, outputs, self._chosen, self._ending, self._signs)
        )


def _real(values: AnyArray, scale: float, zero_point: int, batch: bool) -> AnyArray:
    """Numbers of an output, of its own memory, without a batch axis of 1 where there is one."""
    if batch and values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
    if np.issubdtype(values.dtype, np.floating):
        return np.array(values)
    return np.asarray((values.astype(np.float32) - zero_point) * np.float32(scale))


def _fixed_size(spec: TensorSpec) -> Size | None:
    if len(spec.shape) != 4:
        raise UnsupportedModelError(f"an image is wanted as input, {spec.name} is {spec.shape}")
    height, width = spec.shape[1:3] if spec.layout == "NHWC" else spec.shape[2:]
    return Size(height, width) if min(height, width) > 0 else None


def _channels(spec: TensorSpec) -> int:
    """Of an image: 3, or 1 for gray.

    Raises:
        UnsupportedModelError: It has another number.
    """
    channels = spec.shape[3] if spec.layout == "NHWC" else spec.shape[1]
    if channels not in (1, 3, -1):
        raise UnsupportedModelError(
            f"an image of 1 or 3 channels is wanted as input, {spec.name} is {spec.shape}"
        )
    return 3 if channels == -1 else channels
