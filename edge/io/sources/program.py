"""A program that writes images to its standard output, as a camera."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from edge.errors import SourceError
from edge.io.sources.live import RawFrame
from edge.io.sources.pipe import Pipe
from edge.redaction import redacted

_ENDING = 2.0  # seconds that a program has to end after it was asked to
_REFUSED = re.compile(r"(?i)\b401 unauthorized|authorization failed")
_PIPE = 1 << 20  # bytes: an image or so, so that the program is not held up between two reads


class Program:
    """A running program and the images that it writes. Ended on `close`.

    Args:
        command: The program, found on PATH, and its arguments.
        decode: Makes images of its standard output.
        stopped: Ends a wait when set.
        stall: Seconds without an image after which it counts as lost.
        rate: Frames per second that it was asked for.
        login: Whether it logs in somewhere, and may say that it was refused.

    Raises:
        SourceError: It cannot be started.
    """

    ends = False

    def __init__(
        self,
        command: Sequence[str],
        decode: Callable[[Pipe], Iterator[RawFrame | None]],
        stopped: threading.Event,
        *,
        stall: float,
        rate: float | None,
        login: bool = False,
    ) -> None:
        self.rate = rate
        self._login = login
        self._name = os.path.basename(command[0])  # noqa: PTH119 - a word, not a path
        try:
            # A session of its own: Ctrl-C is for us, who then end it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"{self._name}: {error.strerror}") from error
        assert self._process.stdout and self._process.stderr  # noqa: PT018 - asked for
        out, err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._pipe = Pipe(out, self._name, stopped, stall=stall, side=err)
        self._raw_frames = decode(self._pipe)
        _widen(out)

    def read(self) -> RawFrame | None:
        """The next image.

        Raises:
            SourceError: The program ended, says why as far as it said; or it is silent.
        """
        try:
            return next(self._raw_frames)
        except StopIteration:
            raise SourceError(f"{self._name} ended{self._why()}") from None
        except SourceError as error:
            raise SourceError(f"{error}{self._why()}") from error

    def close(self) -> None:
        """End the program: ask, then insist."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _why(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        status = self._process.poll()
        output = self._pipe.stderr_tail
        if self._process.stderr is not None and not self._process.stderr.closed:
            os.set_blocking(self._process.stderr.fileno(), False)
            output += self._process.stderr.read() or b""
        if status is None:  # it may be writing: half a password would not be found
            output = output[: output.rfind(b"\n") + 1]
        lines = redacted(output.decode(errors="replace").strip(), foreign=True).splitlines()
        why = "" if not status else f" with status {status}"
        if self._login and any(map(_REFUSED.search, lines)):
            why += ": the login was refused, wrong user name or password"
        return why + (f": {lines[-1].strip()}" if lines else "")


def _widen(fd: int) -> None:
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[attr-defined, unused-ignore]
