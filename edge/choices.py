"""What `edge tune` found best for a model on this board, kept in the user's cache.

One small JSON file for each pair of board and model. What is missing, damaged or of another format
is no choice: the usual one then holds, and nothing fails for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from edge import paths
from edge.backends.base import MOST_THREADS, Precision
from edge.board import Board
from edge.errors import ModelError, SinkError
from edge.package import Package

FORMAT = 1
_FIELDS = ("backend", "precision", "threads", "reason", "created")


@dataclass(frozen=True, slots=True)
class Choice:
    """How to run a model here.

    Attributes:
        backend: Key into `edge.backends.BACKENDS`.
        precision: Of the arithmetic: that of the model's usual artifact, which tuning keeps.
        threads: For one inference.
        reason: A phrase for a person: what was measured.
        created: When, ISO 8601, UTC.
    """

    backend: str
    precision: Precision
    threads: int
    reason: str
    created: str


def place(package: Package, board: Board) -> Path:
    """The file of a model's choice on a board. Its name tells both, so that neither is mixed up."""
    machine = (board.model, board.cpu, board.machine, board.cores, sorted(board.features))
    digest = hashlib.sha256(json.dumps(machine).encode())
    for artifact in package.artifacts:
        for suffix in sorted(artifact.files):
            digest.update(f"{artifact.backend} {artifact.precision} {suffix} ".encode())
            digest.update(hashlib.sha256(artifact.files[suffix]).digest())
    return paths.cache() / "tune" / f"{digest.hexdigest()[:32]}.json"


def find(package: Package, board: Board) -> Choice | None:
    """The choice for a model on a board; None where there is none."""
    if not (paths.cache() / "tune").is_dir():
        return None  # saves the sums over the model
    try:
        document = json.loads(place(package, board).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return _choice(document, package)


def keep(choice: Choice, package: Package, board: Board) -> Path:
    """Write a choice in place of an earlier one. Returns its file.

    Raises:
        SinkError: It could not be written.
    """
    file = place(package, board)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"format": FORMAT, **asdict(choice)}), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise SinkError(f"{file}: {error.strerror or error}") from error
    return file


def forget(package: Package, board: Board) -> bool:
    """Delete a choice. Returns whether there was one.

    Raises:
        SinkError: It cannot be deleted.
    """
    file = place(package, board)
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SinkError(f"{file}: {error.strerror or error}") from error
    return True


def _choice(value: Any, package: Package) -> Choice | None:
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        return None
    fields: dict[str, Any] = {name: value.get(name) for name in _FIELDS}
    if not all(isinstance(fields[name], str) for name in ("backend", "reason", "created")):
        return None
    if fields["precision"] not in get_args(Precision) or type(fields["threads"]) is not int:
        return None
    if not 1 <= fields["threads"] <= MOST_THREADS:
        return None
    try:
        package.artifact(fields["backend"], fields["precision"])
    except ModelError:
        return None
    return Choice(**fields)
