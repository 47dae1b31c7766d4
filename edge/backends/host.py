"""What every runtime needs of the machine that it runs on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import BackendError

MOST_THREADS = 256  # a runtime that cannot start them ends the process


def threads(asked: int) -> int:
    """The number of threads to use: what is asked, or one per core that the process may use.

    Raises:
        BackendError: It is out of range.
    """
    if not 0 <= asked <= MOST_THREADS:
        raise BackendError(f"threads are 0 (one per core) to {MOST_THREADS}, got {asked}")
    if asked:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
