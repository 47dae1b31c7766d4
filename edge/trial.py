"""A model file is first opened in a process of its own, which may die of it.

The runtimes of others trust their files: a damaged one crashes the process, never returns, or asks
for all the memory there is. What has been opened and run once on this machine is remembered by its
SHA-256 under the user's cache and opened without a trial from then on; a hash inside a package
proves nothing, so packages are tried like bare files. ncnn's files are checked by `edge.formats`,
which knows their weights and shapes, and need no trial.

`EDGE_TRIAL=off` opens all files at once: for those who write a thousand files themselves.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from edge import child, installed, paths
from edge.backends import BACKENDS, describe, open_backend
from edge.backends.base import BackendOptions, ModelFiles, TensorSpec
from edge.errors import BackendError, BackendNotInstalledError, EdgeError, ModelError

_CHECKED = {"ncnn"}  # whose files `edge.formats` checks
_SECONDS = 30.0  # of the clock and of the CPU; YOLOv7 at 640 takes 6 s on the slowest board
_MEMORY = 1 << 30  # bytes of private memory, beside some for the file
_PER_BYTE = 32  # of the file: it is read, parsed, prepared
_SIDE = 320  # of an input that takes any size
_SOCKET = {"x86_64": 41, "aarch64": 198}  # machine to the number of socket(2)


def ensure(backend: str, files: ModelFiles) -> None:
    """See that a runtime survives a model's files: by the record, else by trying.

    Args:
        backend: Key into `edge.backends.BACKENDS`.
        files: Content of the model's files, by suffix.

    Raises:
        ModelError: Opening the files, or one inference with them, ended a process, took too long
            or too much memory, or failed as it would fail here.
        BackendNotInstalledError: The runtime is missing; says what to install.
    """
    if backend in _CHECKED or backend not in BACKENDS:
        return
    if os.environ.get("EDGE_TRIAL", "").lower() == "off":
        return
    record = _record(backend, files)
    if record.is_file():
        return
    size = sum(map(len, files.values()))
    task = {"backend": backend, "memory": _MEMORY + _PER_BYTE * size}
    try:
        answered = child.call("edge.trial", task, timeout=_SECONDS, files=files)
    except BackendError as error:
        raise ModelError(
            f"opening it on {_runtime(backend)} in a process of its own failed: {error}. The file "
            "is damaged, or that runtime cannot run it; edge doctor examines the runtime"
        ) from error
    if "refused" in answered:
        raise ModelError(str(answered["refused"]))
    if not answered.get("missing"):
        with suppress(OSError):  # a machine that keeps nothing tries again next time
            record.parent.mkdir(parents=True, exist_ok=True)
            record.touch()


def main() -> None:
    """In the child: open the files, run them once."""
    child.answer(_try)


def _record(backend: str, files: ModelFiles) -> Path:
    digest = sha256(f"{_runtime(backend)} {platform.machine()}".encode())
    for suffix in sorted(files):
        digest.update(f" {suffix} ".encode() + sha256(files[suffix]).digest())
    return paths.cache() / "opened" / digest.hexdigest()


def _runtime(backend: str) -> str:
    """Its packages with their versions, for a person and for the record."""
    versions = installed.versions(installed.RUNTIMES.get(backend, ()))
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or backend


def _try(task: dict[str, Any]) -> dict[str, Any]:
    forbid_sockets()
    resource.setrlimit(resource.RLIMIT_CPU, (int(_SECONDS), int(_SECONDS)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    backend = str(task["backend"])
    paths_: Mapping[str, str] = task["files"]
    files = {suffix: Path(path).read_bytes() for suffix, path in paths_.items()}
    resource.setrlimit(resource.RLIMIT_DATA, (int(task["memory"]), int(task["memory"])))
    made_up = False
    try:
        description = describe(backend, files)
        if len(description.inputs) != 1:
            return {}  # nothing that edge would run
        given = description.inputs[0]
        shape = _filled(given)
        made_up = shape != given.shape
        input_ = TensorSpec(given.name, shape, layout=given.layout)
        options = BackendOptions(threads=1)
        opened = open_backend(backend, files, input_, description.outputs, options)
        opened.run()
        opened.close()
    except BackendNotInstalledError:
        return {"missing": True}  # whoever opens the file says so
    except EdgeError as error:
        # At a size that was made up here, failing proves nothing.
        return {} if made_up else {"refused": str(error)}
    return {}


def _filled(given: TensorSpec) -> tuple[int, ...]:
    """A shape for an input: one image of three channels where it takes any."""
    usual = (1, _SIDE, _SIDE, 3) if given.layout == "NHWC" else (1, 3, _SIDE, _SIDE)
    if len(given.shape) != len(usual):
        return tuple(max(n, 1) for n in given.shape)
    return tuple(n if n > 0 else m for n, m in zip(given.shape, usual, strict=True))


def forbid_sockets() -> bool:
    """From here on this process gets no socket from the kernel. Returns whether that holds.

    A filter of system calls (seccomp) of four steps: load the number of the call; is it that of
    socket(2); refuse it; allow the rest. Source: the kernel's userspace-api/seccomp_filter.
    """
    number = _SOCKET.get(platform.machine())
    if number is None:
        return False
    refuse = 0x00050000 | 1  # with the error EPERM
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, refuse), (6, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    return not (libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program))
