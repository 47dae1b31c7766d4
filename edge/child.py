"""Work in a process of its own: measured from its start, and free to die.

A runtime built for another CPU kills its process with SIGILL, a damaged one with SIGSEGV. Here
that is an answer like any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import IO, Any

from edge.errors import BackendError, EdgeError
from edge.redaction import redacted

# With the parent's module search path, so that both import the same; not with the current folder.
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; import importlib; "
    "importlib.import_module(sys.argv[1]).main()"
)
_DEATHS = {
    signal.SIGILL: "an instruction that this CPU does not have: the package is built for another",
    signal.SIGSEGV: "a crash inside the package",
    signal.SIGBUS: "a crash inside the package",
    signal.SIGABRT: "the package gave up",
    signal.SIGKILL: "mostly too little memory",
}


def call(
    module: str,
    task: Mapping[str, Any],
    *,
    timeout: float,
    files: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Import a module in a new process, hand it a task and wait for what it answers.

    Args:
        module: Its function `main` calls `answer`.
        task: Plain values, as JSON has them. The child finds the moment of its start in
            "started", in seconds of `time.monotonic`.
        timeout: Seconds; a child that takes longer is ended.
        files: Contents too large for the task; the child finds paths to them in "files".

    Raises:
        BackendError: The child failed or died; says of what.
    """
    command = [sys.executable, "-c", _START, module, *sys.path]
    try:
        with ExitStack() as stack:
            held = {name: stack.enter_context(_held(data)) for name, data in (files or {}).items()}
            paths = {name: f"/proc/self/fd/{file.fileno()}" for name, file in held.items()}
            given = json.dumps({**task, "files": paths, "started": time.monotonic()})
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, timeout=timeout, check=False,
                errors="replace", pass_fds=[file.fileno() for file in held.values()],
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"no answer within {timeout:.0f} s") from error
    except OSError as error:
        raise BackendError(f"no process can be started: {error.strerror or error}") from error
    try:
        answered = json.loads(done.stdout)
    except ValueError:
        answered = None
    if not isinstance(answered, dict):
        raise BackendError(_death(done.returncode, done.stderr))
    if "error" in answered:
        raise BackendError(redacted(str(answered["error"]), foreign=True))
    return answered


def _held(content: bytes) -> IO[bytes]:
    """An open file without a name that holds a content."""
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.flush()
    return file


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """In the child: take the task, do the work, give its result.

    What libraries print goes to standard error; the answer has the standard output for itself.
    """
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            result = work(json.load(sys.stdin))
        except (EdgeError, ValueError) as error:
            result = {"error": str(error)}
        json.dump(result, out)


def _death(status: int, text: str) -> str:
    lines = text.strip().splitlines()
    last = redacted(lines[-1].strip(), foreign=True) if lines else ""
    if status >= 0:
        return f"ended with status {status}" + (f": {last}" if last else "")
    try:
        killer = signal.Signals(-status)
    except ValueError:
        return f"killed by signal {-status}"
    why = _DEATHS.get(killer)
    return f"killed by {killer.name}" + (f" ({why})" if why else "")
