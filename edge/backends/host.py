"""What every runtime needs of the machine that it runs on."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def threads(asked: int) -> int:
    """The number of threads to use: what is asked, or one per core that the process may use."""
    if asked:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def silent(descriptor: int) -> Iterator[None]:
    """Keep what a runtime prints from a descriptor: 1, standard output, or 2, standard error."""
    (sys.stdout if descriptor == 1 else sys.stderr).flush()
    _flush_c()
    kept = os.dup(descriptor)
    with open(os.devnull, "wb") as devnull:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(devnull.fileno(), descriptor)
    try:
        yield
    finally:
        _flush_c()  # into a pipe C writes when its buffer is full, or at the end of the process
        os.dup2(kept, descriptor)
        os.close(kept)


def _flush_c() -> None:
    ctypes.CDLL(None).fflush(None)


@contextmanager
def path_of(content: bytes) -> Iterator[str]:
    """A path under which bytes can be read, in memory where the system offers that."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("edge"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(prefix="edge-") as file:
            file.write(content)
            file.flush()
            yield file.name
