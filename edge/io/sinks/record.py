"""Frames and results as a recording, which `replay:` runs again."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import SinkError
from edge.io import recording
from edge.types import Failure, Result


class Recorder:
    """Writes a recording as it goes; see `edge.io.recording` for its form.

    A recording is evidence: it is never written over.

    Args:
        file: Must not be there yet; its folder is made.

    Raises:
        SinkError: It is there, or cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not buffered: what was written is there when the process is killed.
            self._stream = file.open("xb", buffering=0)
            self._stream.write(recording.MAGIC)
        except FileExistsError as error:
            raise SinkError(f"{file}: there already; a recording is not written over") from error
        except OSError as error:
            raise SinkError(f"{file}: {error.strerror}") from error

    def write(self, result: Result) -> None:
        """Write a frame and what was found in it.

        Raises:
            SinkError: It could not be written.
        """
        self._append(result)

    def write_failure(self, failure: Failure) -> None:
        """Write that a frame could not be had. Raises as `write`."""
        self._append(failure)

    def close(self) -> None:
        """See it to the disk."""
        if self._stream.closed:
            return
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
        except OSError as error:
            raise SinkError(f"{self._file}: {error.strerror}") from error

    def _append(self, item: Result | Failure) -> None:
        try:
            for part in recording.encoded(item):
                rest = memoryview(part)
                while rest:
                    rest = rest[self._stream.write(rest) :]
        except OSError as error:
            raise SinkError(f"{self._file}: {error.strerror}") from error
