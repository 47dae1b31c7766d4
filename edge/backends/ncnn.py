"""ncnn on the CPU, or on a GPU through Vulkan."""

from __future__ import annotations

import re
from collections.abc import Sequence

import ncnn
import numpy as np

from edge.backends import checks, host
from edge.backends.base import (
    Backend,
    BackendOptions,
    Description,
    ModelFiles,
    Precision,
    TensorSpec,
)
from edge.errors import BackendError, ModelError
from edge.formats.ncnn import (
    TAG_FLOAT16,
    Network,
    blob_shapes,
    int8_blobs,
    read_network,
    write_network,
)
from edge.formats.ncnn_resize import resized
from edge.formats.ncnn_size import input_size
from edge.types import AnyArray, Float32Array, Tensor

_OLDEST = (1, 0, 20261020)  # from there inference releases the GIL


def load(
    files: ModelFiles, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
) -> Backend:
    """A model ready to run. See `edge.backends.open_backend`."""
    _check_version(ncnn.__version__)
    # The runtime itself checks neither sizes nor shapes and would read outside its memory.
    network = read_network(files["param"], files["bin"])
    shape = _check_tensors(network, input_, outputs)
    suited = resized(network, {input_.name: shape})
    if suited is not network:
        network = suited
        files = dict(zip(("param", "bin"), write_network(network), strict=True))
    blob_shapes(network, {input_.name: shape})
    for name in int8_blobs(network).intersection(outputs):
        raise ModelError(f"its output {name} is int8; floats are wanted")
    if options.device == "vulkan":
        _check_vulkan(network)
    return _Ncnn(files, network, input_, tuple(outputs), options)


def describe(files: ModelFiles) -> Description:
    """What the files say of themselves; see `edge.backends.describe`."""
    network = read_network(files["param"], files["bin"])
    size = input_size(network)
    shape = (1, 3, size.height, size.width) if size else (1, 3, -1, -1)
    return Description(
        tuple(TensorSpec(name, shape) for name in network.inputs),
        network.outputs,
        _stored(network),
    )


class _Ncnn:
    """One loaded network."""

    def __init__(
        self,
        files: ModelFiles,
        network: Network,
        input_: TensorSpec,
        outputs: tuple[str, ...],
        options: BackendOptions,
    ) -> None:
        self.input = input_
        self.precision, half = _precision(network, options)
        self.threads = host.threads(options.threads)
        self._outputs = outputs
        read = network.consumers()
        light = not any(blob in read for blob in outputs)  # frees each blob after its last reader
        # Memory of ncnn, not of NumPy: ncnn counts its own references, and crashes where a first
        # layer works in place on memory that has no count.
        _, channels, height, width = input_.shape
        self._mat = ncnn.Mat((width, height, channels))
        self._memory: Float32Array = self._mat.numpy()[np.newaxis]
        # ncnn pads channels to 16 bytes; for odd sizes, where that leaves gaps, `run` copies.
        self._view: Float32Array = self._memory
        if not self._memory.flags.c_contiguous:
            self._view = np.empty(input_.shape, np.float32)
        self._view[:] = 0
        vulkan = options.device == "vulkan"
        self._net: ncnn.Net | None = _net(
            files, self.threads, half, light=light, vulkan=vulkan, winograd=options.winograd
        )

    def input_view(self) -> AnyArray:
        """See `Backend.input_view`."""
        return self._view

    def run(self) -> tuple[Tensor, ...]:
        """See `Backend.run`."""
        if self._net is None:
            raise BackendError("ncnn: the model is closed")
        if self._view is not self._memory:
            self._memory[:] = self._view
        extractor = self._net.create_extractor()
        try:
            code = extractor.input(self.input.name, self._mat)
            if code != 0:
                raise BackendError(f"ncnn: setting the input {self.input.name} failed, code {code}")
            tensors = []
            for name in self._outputs:
                code, mat = extractor.extract(name)
                if code != 0:
                    raise BackendError(f"ncnn: computing the output {name} failed, code {code}")
                tensors.append(Tensor(mat.numpy()))  # a view that keeps its Mat alive
            return tuple(tensors)
        finally:
            # Before the network goes, or its end crashes: a traceback would hold it till later.
            del extractor

    def close(self) -> None:
        """See `Backend.close`."""
        if self._net is not None:
            self._net.clear()
            self._net = None


def _net(
    files: ModelFiles, threads: int, half: bool, *, light: bool, vulkan: bool, winograd: bool
) -> ncnn.Net:
    net = ncnn.Net()
    option = net.opt
    option.num_threads = threads
    option.lightmode = light
    option.use_vulkan_compute = vulkan
    option.use_fp16_packed = option.use_fp16_storage = option.use_fp16_arithmetic = half
    option.use_winograd_convolution = winograd
    option.use_bf16_packed = option.use_bf16_storage = False
    for suffix, read in (("param", net.load_param), ("bin", net.load_model)):
        with host.path_of(files[suffix]) as path:  # its reader of memory drops errors
            code = read(path)
        if code != 0:
            raise ModelError(f"ncnn does not load this .{suffix}, code {code}")
    return net


def _check_version(version: str) -> None:
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if numbers < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise BackendError(
            f"ncnn {oldest} or newer is needed, found {version}: "
            f"pip install --upgrade 'ncnn>={oldest}' (upgrade pip first where it finds none)"
        )


def _check_tensors(
    network: Network, input_: TensorSpec, outputs: Sequence[str]
) -> tuple[int, int, int]:
    """The input's shape without the batch axis."""
    checks.expect_input(network.inputs, input_.name)
    if not outputs or not network.blobs.issuperset(outputs):
        checks.expect_outputs(network.outputs, outputs)
    if (input_.dtype, input_.layout, len(input_.shape)) != ("float32", "NCHW", 4):
        raise ModelError(f"ncnn reads float32 NCHW inputs, {input_.name} is {input_}")
    batch, channels, height, width = input_.shape
    if batch != 1 or min(input_.shape) < 1:
        raise ModelError(f"ncnn reads (1, C, H, W) inputs, {input_.name} is {input_.shape}")
    return channels, height, width


def _stored(network: Network) -> Precision:
    """The precision of the weights."""
    if network.is_int8:
        return "int8"
    tags = {weight.tag for layer in network.layers for weight in layer.weights}
    return "fp16" if TAG_FLOAT16 in tags else "fp32"


def _check_vulkan(network: Network) -> None:
    if network.is_int8:
        raise BackendError("vulkan: ncnn computes INT8 on the CPU only, and this file is INT8")
    with host.silent(2):  # it tells of every name under which it looked for a driver
        count = ncnn.get_gpu_count()
    if count < 1:
        raise BackendError(
            "vulkan: no GPU with a Vulkan driver found; on Raspberry Pi OS: "
            "sudo apt-get install -y mesa-vulkan-drivers"
        )


def _precision(network: Network, options: BackendOptions) -> tuple[Precision, bool]:
    """The arithmetic in effect, and whether floats are halves."""
    asked = options.precision
    half = bool(ncnn.cpu_support_arm_asimdhp()) and asked != "fp32"
    if options.device == "vulkan":  # ncnn does not tell whether the GPU has halves
        half = asked == "fp16"
    if network.is_int8:
        return "int8", half  # `half` goes for the layers that stay float
    if asked == "int8":
        raise BackendError("ncnn runs INT8 from INT8 files only, this file holds float weights")
    return ("fp16" if half else "fp32"), half
