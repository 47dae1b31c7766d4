"""Runtimes: one module each, imported only when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

from edge.backends import selfcheck
from edge.backends.base import (
    Backend,
    BackendOptions,
    Description,
    Load,
    ModelFiles,
    TensorSpec,
)
from edge.errors import (
    BackendError,
    BackendNotInstalledError,
    ModelError,
    UnsupportedModelError,
)

# Backend name to the suffixes of the files that together are its model.
# To add one: write edge/backends/<name>.py with functions `load` and `describe`, and add its row.
# The optional dependency in pyproject.toml has the same name.
BACKENDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ncnn": frozenset({"param", "bin"}),
        "mnn": frozenset({"mnn"}),
        "tflite": frozenset({"tflite"}),
        "onnxruntime": frozenset({"onnx"}),
    }
)

# Device to the backend that offers it; the CPU is offered by all.
DEVICES: Mapping[str, str] = MappingProxyType(
    {"vulkan": "ncnn", "cuda": "onnxruntime", "tensorrt": "onnxruntime"}
)


def open_backend(
    name: str,
    files: ModelFiles,
    input_: TensorSpec,
    outputs: Sequence[str],
    options: BackendOptions | None = None,
) -> Backend:
    """A model ready to run on a runtime.

    Args:
        name: Key into `BACKENDS`.
        files: Content of the model's files, by suffix.
        input_: The input's name and shape.
        outputs: Names of the tensors that `Backend.run` returns, in that order.
        options: Threads, precision and device; None takes the defaults.

    Raises:
        UnsupportedModelError: No backend has this name.
        BackendNotInstalledError: The runtime is missing; says what to install.
        ModelError: The files are not those of this runtime, are damaged, or lack a tensor.
        BackendError: The runtime cannot be imported, or cannot do what the options ask; or the
            device does not compute what the CPU does.
    """
    options = options or BackendOptions()
    load: Load = _module(name, files).load
    if options.device == "cpu":
        return load(files, input_, outputs, options)
    if DEVICES[options.device] != name:
        raise BackendError(
            f"{name} runs on the CPU here; {options.device} is offered by {DEVICES[options.device]}"
        )
    backend = load(files, input_, outputs, options)
    try:
        on_cpu = load(files, input_, outputs, replace(options, precision="fp32", device="cpu"))
        try:
            selfcheck.compare(backend, on_cpu, outputs, options.device)
        finally:
            on_cpu.close()
    except BaseException:
        backend.close()
        raise
    return backend


def describe(name: str, files: ModelFiles) -> Description:
    """What a model's files say of themselves.

    Args:
        name: Key into `BACKENDS`.
        files: Content of the model's files, by suffix.

    Raises:
        UnsupportedModelError: No backend has this name.
        BackendNotInstalledError: The runtime is missing; says what to install.
        ModelError: The files are not those of this runtime, or are damaged.
        BackendError: The runtime cannot be imported.
    """
    description: Description = _module(name, files).describe(files)
    return description


def _module(name: str, files: ModelFiles) -> Any:
    if name not in BACKENDS:
        raise UnsupportedModelError(f"unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    if set(files) != BACKENDS[name]:
        given, expected = (
            ", ".join(f".{suffix}" for suffix in sorted(suffixes)) or "nothing"
            for suffixes in (files, BACKENDS[name])
        )
        raise ModelError(f"a model for {name} is {expected}, got {given}")
    # OpenMP's threads spin between parallel regions unless told otherwise: 100 % CPU between
    # frames, and a collapse where cores are shared. It is read when a runtime is first loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        return import_module(f"edge.backends.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "edge":
            raise
        raise BackendNotInstalledError(f"{name} needs the package {error.name}", name) from error
    except ImportError as error:  # installed, but broken: a missing shared library, say
        raise BackendError(f"{name} cannot be imported: {error}") from error
