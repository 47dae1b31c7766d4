"""The finished stages of a calibration, beside its output, until it is done.

A calibration that was killed goes on where it was. What is kept belongs to one model, one set of
images and one set of options; for any other it is thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from edge.errors import CalibrationError
from edge.types import Detections

_KEY = "key"
_MARK = "calibration in progress, version 1\n"


class StageCache:
    """A folder of results by name.

    Args:
        output: What the calibration will write; the folder lies beside it, hidden.
        inputs: All that the results depend on.

    Raises:
        CalibrationError: The folder cannot be made.
    """

    def __init__(self, output: Path, inputs: Sequence[object]) -> None:
        self.folder = output.with_name(f".{output.name}.calibrating")
        key = _MARK + sha256(json.dumps(list(map(str, inputs))).encode()).hexdigest()
        try:
            self.resumed = self._read(_KEY) == key.encode()
            if not self.resumed:
                self.remove()
                self.folder.mkdir(parents=True)
                self._write(_KEY, key.encode())
        except OSError as error:
            raise CalibrationError(f"{self.folder}: {error.strerror or error}") from error

    def data(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What was kept under a name, else what is made now.

        Raises:
            CalibrationError: It cannot be kept.
        """
        try:
            content = self._read(name)
            if content is not None:
                return content
        except OSError as error:
            raise CalibrationError(f"{self.folder / name}: {error.strerror}") from error
        content = make()
        try:
            self._write(name, content)
        except OSError as error:
            raise CalibrationError(f"{self.folder / name}: {error.strerror}") from error
        return content

    def detections(self, name: str, make: Callable[[], Sequence[Detections]]) -> list[Detections]:
        """As `data`, of what was found in some images."""
        return _unpacked(self.data(f"{name}.npz", lambda: _packed(make())))

    def remove(self) -> None:
        """Throw everything away; no other folder than one of these."""
        if not self.folder.exists():
            return
        if not (self._read(_KEY) or b"").startswith(_MARK.encode()):
            raise CalibrationError(
                f"{self.folder}: exists and is not from a calibration; it is left alone"
            )
        shutil.rmtree(self.folder)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        part = self.folder / f".{name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(self.folder / name)


def _packed(detections: Sequence[Detections]) -> bytes:
    file = BytesIO()
    np.savez(
        file,
        counts=np.array([len(each) for each in detections], np.int64),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *(each.boxes for each in detections)]),
        scores=np.concatenate([np.zeros(0, np.float32), *(each.scores for each in detections)]),
        class_ids=np.concatenate([np.zeros(0, np.int32), *(each.class_ids for each in detections)]),
    )
    return file.getvalue()


def _unpacked(content: bytes) -> list[Detections]:
    with np.load(BytesIO(content)) as table:
        ends = np.cumsum(table["counts"])[:-1]
        columns = (np.split(table[name], ends) for name in ("boxes", "scores", "class_ids"))
        return [Detections(*row) for row in zip(*columns, strict=True)]
